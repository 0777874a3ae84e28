"""What takes a project to production, looked over by the tools of each format."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import combinations
import pytest
import yaml
from combinations import Answers
from leftovers import unused_anchors
from projects import PRODUCTION, Project, render

BIN = Path(sys.executable).parent
DELIVERY = ("django_version", "python_version", "database", "static_serving", "media_storage",
            "private_media", "web_server", "use_docker", "deployment", "ci")  # fmt: skip
PINNED = re.compile(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


@pytest.fixture(scope="module")
def projects(template: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A project for every pair of answers."""
    made: list[Path] = []
    seen: list[Answers] = []
    for answers in combinations.pairwise():
        kept = {name: answers[name] for name in DELIVERY if name in answers}
        if kept not in seen:
            seen.append(kept)
            place = tmp_path_factory.mktemp("delivery") / "my-site"
            made.append(render(template, place, **answers))
    return made


def found(projects: list[Path], pattern: str) -> list[Path]:
    files = [path for project in projects for path in project.glob(pattern)]
    assert files, pattern
    return files


def passes(*command: str | Path) -> str:
    result = subprocess.run([str(part) for part in command], text=True, capture_output=True)
    assert not result.returncode, result.stdout + result.stderr
    return result.stdout + result.stderr


def test_dockerfiles(projects: list[Path]) -> None:
    passes(BIN / "hadolint", "--failure-threshold", "style", *found(projects, "Dockerfile"))


@pytest.mark.parametrize(
    ("pattern", "schema"),
    [
        (".github/workflows/*.yml", "github-workflows"),
        (".gitlab-ci.yml", "gitlab-ci"),
        ("renovate.json", "renovate"),
    ],
)
def test_schemas(projects: list[Path], pattern: str, schema: str) -> None:
    files = found(projects, pattern)
    passes(BIN / "check-jsonschema", "--builtin-schema", f"vendor.{schema}", *files)


def test_no_anchor_is_left_without_an_alias(projects: list[Path]) -> None:
    for project in projects:
        for path in [*project.rglob("*.yaml"), *project.rglob("*.yml")]:
            assert not unused_anchors(path), path


def test_the_image_has_the_folders_that_its_volumes_need(projects: list[Path]) -> None:
    for path in found(projects, "Dockerfile"):
        text, compose = path.read_text(), path.parent / "deploy" / "compose.yaml"
        made = set(re.findall(r"/srv/\w+", "".join(re.findall("RUN install .+", text))))
        named = set(re.findall(r"=\S*(/srv/\w+)", text))
        assert named <= made
        if compose.exists():
            services = yaml.safe_load(compose.read_text())["services"].values()
            ours = [s for s in services if s["image"].startswith("${IMAGE")]
            volumes = [v for service in ours for v in service.get("volumes", [])]
            assert made == {volume.rpartition(":")[2] for volume in volumes}


def test_workflows_are_safe_and_pinned(projects: list[Path]) -> None:
    files = found(projects, ".github/workflows/*.yml")
    passes(BIN / "jactionlint", "--profile", "correctness", "--shellcheck=", *files)
    passes(BIN / "zizmor", "--offline", "--no-progress", *files)
    for path in files:
        text = path.read_text()
        used = re.findall(r"uses: (.+)", text)
        assert used
        assert all(PINNED.fullmatch(action) for action in used), used
        workflow = yaml.safe_load(text)
        assert workflow["permissions"] == {}
        assert workflow["concurrency"]
        assert all(job["timeout-minutes"] for job in workflow["jobs"].values())


def test_only_the_chosen_files_are_there(projects: list[Path]) -> None:
    for project in projects:
        answers = yaml.safe_load((project / ".copier-answers.yml").read_text())
        docker, ci = answers["use_docker"], answers["ci"]
        cluster = docker and answers["deployment"] == "kubernetes"
        assert (project / "Dockerfile").exists() is docker
        assert (project / ".dockerignore").exists() is docker
        assert (project / ".github").exists() is (ci == "github")
        assert (project / ".gitlab-ci.yml").exists() is (ci == "gitlab")
        assert (project / "renovate.json").exists() is (ci != "none")
        assert (project / "deploy" / "kubernetes").exists() is cluster
        assert (project / "deploy" / "kustomization.yaml").exists() is cluster


def test_kubernetes_manifests(projects: list[Path]) -> None:
    files = found(projects, "deploy/kubernetes/*.yaml")
    for version in ("1.37", "1.31"):
        passes(BIN / "kubernetes-validate", "--strict", "--quiet", "-k", version, *files)
    for project in projects:
        if (project / "deploy" / "kubernetes").exists():
            manifests_fit_together(project / "deploy")


def manifests_fit_together(deploy: Path) -> None:
    kustomization = yaml.safe_load((deploy / "kustomization.yaml").read_text())
    objects: list[dict[str, Any]] = []
    for name in kustomization["resources"]:
        objects += yaml.safe_load_all((deploy / name).read_text())
    assert {path.name for path in (deploy / "kubernetes").glob("*.yaml")} == {
        Path(name).name for name in kustomization["resources"]
    }
    maps = set()
    for generator in kustomization["configMapGenerator"]:
        maps.add(generator["name"])
        for name in [*generator.get("files", []), *generator.get("envs", [])]:
            assert (deploy / name).is_file(), name
    for line in (deploy / "kubernetes" / "config.env").read_text().splitlines():
        assert re.match(r"#|[A-Z][A-Z0-9_]*=", line), line
        assert "SECRET" not in line.partition("#")[0]

    kinds = {item["kind"] for item in objects}
    assert kinds == {"CronJob", "Deployment", "HorizontalPodAutoscaler", "Ingress", "Job",
                     "PodDisruptionBudget", "Service"}  # fmt: skip
    for item in objects:
        if item["kind"] not in {"CronJob", "Deployment", "Job"}:
            continue
        job = item["spec"]["jobTemplate"] if item["kind"] == "CronJob" else item
        pod = job["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        volumes = {volume["name"] for volume in pod["volumes"]}
        for volume in pod["volumes"]:
            assert "emptyDir" in volume or volume["configMap"]["name"] in maps
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"]["drop"] == ["ALL"]
            assert container["resources"]["limits"]["memory"]
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        if item["kind"] == "Deployment":
            graceful = re.search(r"graceful_timeout = (\d+)", (deploy.parent / "gunicorn.conf.py")
                                 .read_text())[1]  # fmt: skip
            app = pod["containers"][0]
            sleep = int(app["lifecycle"]["preStop"]["exec"]["command"][1])
            assert pod["terminationGracePeriodSeconds"] > sleep + int(graceful)
            ports = {port["name"] for container in pod["containers"] for port in container["ports"]}
            (service,) = (item for item in objects if item["kind"] == "Service")
            assert service["spec"]["ports"][0]["targetPort"] in ports
            assert item["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_the_ingress_is_for_no_controller_in_particular(projects: list[Path]) -> None:
    for path in found(projects, "deploy/kubernetes/ingress.yaml"):
        ingress = yaml.safe_load(path.read_text())
        assert "annotations" not in ingress["metadata"]
        assert "ingressClassName" not in ingress["spec"]


KUBECTL = """#!/bin/sh
echo "$@" >> "$LOG"
case "$*" in
    "get job --selector"*) printf 'job.batch/migrate\njob.batch/publish\n' ;;
    "get job.batch/"*)
        asked=$(grep -cF "$*" "$LOG")
        if [ "$asked" -gt 2 ]; then case "$*" in *"$FAILS"*) echo "FailureTarget Failed" ;;
            *) echo "SuccessCriteriaMet Complete" ;; esac; fi ;;
    "get secret"*) printf 4711 ;;
    "logs "*) echo "why it failed" ;;
esac
"""


@pytest.mark.parametrize("fails", ["nothing", "migrate", "publish"])
def test_a_release_on_a_cluster_ends_at_once_when_a_job_fails_and_says_why(
    make_project: Callable[..., Project], tmp_path: Path, fails: str
) -> None:
    project = make_project(
        deployment="kubernetes", database="postgresql", media_storage="s3", static_serving="s3"
    )
    for name, script in (("kubectl", KUBECTL), ("sleep", "#!/bin/sh\n")):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    log = tmp_path / "log"
    result = subprocess.run(
        ["sh", project.path / "deploy/kubernetes/release.sh"], text=True, capture_output=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "LOG": str(log), "FAILS": fails}, cwd=tmp_path,
        timeout=60,
    )  # fmt: skip
    asked = [line for line in log.read_text().splitlines() if not line.startswith("get")]
    started = [
        "delete job --selector release=first --ignore-not-found",
        "apply --kustomize deploy --selector release=first",
    ]
    assert asked[:2] == started
    if fails == "nothing":
        assert result.returncode == 0, result.stderr
        apply, patch, wait = asked[2:]
        assert apply == "apply --kustomize deploy"
        assert wait.startswith("rollout status deployment/site")
        annotations = json.loads(patch.partition("--patch ")[2])
        assert annotations["spec"]["template"]["metadata"] == {"annotations": {"secret": "4711"}}
    else:
        assert result.returncode == 1
        assert "why it failed" in result.stdout
        assert f"{fails} failed: the site goes on with the release before." in result.stderr
        assert asked[2:] == [f"logs job.batch/{fails} --tail 100"]


@pytest.mark.parametrize(
    ("answers", "advice"),
    [
        ({"database": "sqlite", "media_storage": "s3"}, "choose database postgresql"),
        ({"database": "postgresql", "media_storage": "filesystem"}, "choose media_storage s3"),
    ],
)
def test_a_cluster_refuses_what_is_on_one_machine(
    template: Path, tmp_path: Path, answers: Answers, advice: str
) -> None:
    with pytest.raises(ValueError, match="Kubernetes runs") as error:
        render(template, tmp_path / "my-site", deployment="kubernetes", **answers)
    assert advice in str(error.value)


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_ci_runs_what_the_project_passes(
    make_project: Callable[..., Project], ci: str, tmp_path: Path
) -> None:
    """Each command of the pipeline that needs no other service, run as the pipeline has it."""
    project = make_project(ci=ci, media_storage="s3", object_store="other", static_serving="s3",
                           private_media=True)  # fmt: skip
    if ci == "github":
        workflow = yaml.safe_load((project.path / ".github/workflows/ci.yml").read_text())
        steps = [step for step in workflow["jobs"]["test"]["steps"] if "run" in step]
        commands = [(step["run"], step.get("env", {})) for step in steps]
    else:
        jobs = yaml.safe_load((project.path / ".gitlab-ci.yml").read_text())
        commands = [
            (command, jobs[job].get("variables", {}))
            for job in ("test", "check-deploy") for command in jobs[job]["script"]
        ]  # fmt: skip
    assert len(commands) == 7
    for command, variables in commands:
        program, *arguments = command.removeprefix("uv run ").split()
        if program == "manage.py":
            project.manage(*arguments, **variables)
        else:
            project.run(program, *arguments, **variables)


def production_check(project: Path) -> tuple[list[str], dict[str, str]]:
    """The commands of the step or job that looks over production, and all its variables."""
    if (project / ".gitlab-ci.yml").exists():
        pipeline = yaml.safe_load((project / ".gitlab-ci.yml").read_text())
        job = pipeline["check-deploy"]
        assert "before_script" not in pipeline["default"]
        return job["script"], pipeline["variables"] | job["variables"]
    workflow = yaml.safe_load((project / ".github/workflows/ci.yml").read_text())
    job = workflow["jobs"]["test"]
    commands = [step["run"] for step in job["steps"] if "collectstatic" in step.get("run", "")]
    (step,) = (step for step in job["steps"] if "--deploy" in step.get("run", ""))
    return [*commands, step["run"]], workflow["env"] | job.get("env", {}) | step["env"]


@pytest.mark.parametrize("ci", ["github", "gitlab"])
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    "files",
    [
        {},
        {"static_serving": "s3", "object_store": "aws"},
        {"media_storage": "s3", "private_media": True, "object_store": "other"},
        {"static_serving": "s3", "media_storage": "s3", "object_store": "cloudflare-r2"},
    ],
    ids=combinations.name,
)
def test_ci_gives_the_check_of_production_every_variable_that_it_needs(
    make_project: Callable[..., Project], ci: str, database: str, files: Answers
) -> None:
    project = make_project(ci=ci, database=database, **files)
    commands, variables = production_check(project.path)
    assert len(commands) == 2
    for command in commands:
        project.manage(*command.removeprefix("uv run manage.py ").split(), **variables)


LOCKED = '[project]\nname = "shop"\nversion = "{}"\nrequires-python = ">=3.11"\n'


@pytest.mark.parametrize("news", [LOCKED.format(2), "<<<<<<< before updating\n"])
@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_the_update_job_pushes_what_is_new_and_a_lock_that_fits_it(
    template: Path, tmp_path: Path, ci: str, news: str
) -> None:
    project = render(template, tmp_path / "rendered", ci=ci)
    if ci == "github":
        file = yaml.safe_load((project / ".github/workflows/update-template.yml").read_text())
        script = [step["run"] for step in file["jobs"]["update"]["steps"] if "run" in step]
        variables = {}
    else:
        file = yaml.safe_load((project / ".gitlab-ci.yml").read_text())
        script, variables = file["update-template"]["script"], file["variables"]
    remote, site, tools = tmp_path / "group" / "shop.git", tmp_path / "shop", tmp_path / "tools"
    for folder in (remote, site, tools):
        folder.mkdir(parents=True)
    for name, text in {"uvx": f"printf '{news}' > pyproject.toml", "gh": "exit 0"}.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    variables = {
        "PATH": f"{tools}:{BIN}:/usr/bin:/bin", "HOME": f"{tmp_path}", "UV_PYTHON": sys.executable,
        "CI_SERVER_HOST": "git.example.com", "CI_PROJECT_PATH": "group/shop",
        "TEMPLATE_UPDATE_TOKEN": "token", **variables,
    }  # fmt: skip

    def run(*command: str | Path) -> str:
        result = subprocess.run(command, cwd=site, env=variables, capture_output=True, text=True)
        assert not result.returncode, result.stdout + result.stderr
        return result.stdout

    run("git", "config", "--global", f"url.{tmp_path}/.insteadOf",
        "https://update:token@git.example.com/")  # fmt: skip
    run("git", "config", "--global", "receive.advertisePushOptions", "true")
    run("git", "init", "--quiet", "--bare", remote)
    run("git", "init", "--quiet")
    run("git", "remote", "add", "origin", remote)
    (site / "pyproject.toml").write_text(LOCKED.format(1))
    run("env", "--unset", "UV_LOCKED", "uv", "lock")
    run("git", "add", "--all")
    run("git", "-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "--message", "Begin")
    run("bash", "-e", "-c", "\n".join(script))
    assert run("git", "-C", remote, "show", "update-template:pyproject.toml") == news
    lock = run("git", "-C", remote, "show", "update-template:uv.lock")
    assert f'version = "{2 if "project" in news else 1}"' in lock


@pytest.mark.parametrize(
    ("answers", "variables", "bind"),
    [
        ({}, {}, "0.0.0.0:8000"),
        ({"use_docker": False}, {"PORT": "9000"}, "127.0.0.1:9000"),
        ({"use_docker": False, "web_server": "none"}, {}, "127.0.0.1:8000"),
        ({"use_docker": False, "web_server": "none"}, {"PORT": "9000"}, "0.0.0.0:9000"),
    ],
)
def test_gunicorn_listens_to_whoever_has_to_ask_and_to_nobody_else(
    make_project: Callable[..., Project], answers: Answers, variables: dict[str, str], bind: str
) -> None:
    code = "import runpy; print(runpy.run_path('gunicorn.conf.py')['bind'])"
    project = make_project(**answers)
    assert project.run("python", "-c", code, **variables).stdout.strip() == bind


@pytest.mark.parametrize("server", ["nginx", "caddy", "none"])
def test_without_docker_the_readme_says_how_to_run_in_production(
    make_project: Callable[..., Project], server: str
) -> None:
    project = make_project(use_docker=False, web_server=server, project_slug="shop")
    text = (project.path / "README.md").read_text()
    section = text.partition("## Run it in production")[2].partition("\n## ")[0]
    assert "ExecStart=/srv/shop/.venv/bin/gunicorn config.wsgi" in section
    for path in re.findall(r"deploy/[\w./-]*\w", section):
        assert (project.path / path).is_file(), path
    assert ("deploy/" in section) is (server != "none")
    for command in re.findall(r"^\.venv/bin/python manage.py (.+)", section, re.MULTILINE):
        project.manage(*command.split(), **PRODUCTION)


def test_renovate_finds_the_base_images_of_the_dockerfile(
    make_project: Callable[..., Project],
) -> None:
    project = make_project().path
    (manager,) = json.loads((project / "renovate.json").read_text())["customManagers"]
    pattern = manager["matchStrings"][0].replace("(?<", "(?P<")
    images = re.findall(pattern, (project / "Dockerfile").read_text())
    assert [name for name, _ in images] == ["python", "ghcr.io/astral-sh/uv"]


def test_renovate_leaves_a_new_major_version_of_postgresql_to_people(projects: list[Path]) -> None:
    for path in found(projects, "renovate.json"):
        answers = yaml.safe_load((path.parent / ".copier-answers.yml").read_text())
        rules = json.loads(path.read_text())["packageRules"]
        ours = [rule for rule in rules if rule["matchPackageNames"] == ["postgres"]]
        assert len(ours) == (answers["database"] == "postgresql" and answers["use_docker"])
        for rule in ours:
            assert (rule["matchUpdateTypes"], rule["enabled"]) == (["major"], False)
