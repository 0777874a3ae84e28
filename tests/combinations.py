"""Which combinations of answers the matrix runs."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import Any

import yaml
from projects import REPOSITORY

Answers = dict[str, Any]
FREE_TEXT = ("project_name", "project_slug", "package_name", "description", "user_name",
             "user_email")  # fmt: skip
BOUND = ("database", "static_serving", "media_storage", "private_media", "web_server",
         "object_store", "use_docker", "deployment")  # fmt: skip
FILES = ("static_serving", "media_storage", "private_media", "web_server", "object_store")


def choices() -> dict[str, list[Any]]:
    """Every question that offers choices, and the values that it offers, the default first."""
    questions = yaml.safe_load((REPOSITORY / "copier.yml").read_text(encoding="utf-8"))
    offered = {}
    for name, question in questions.items():
        if name.startswith("_") or name in FREE_TEXT or question.get("when") is False:
            continue
        if question["type"] == "bool":
            values = [True, False]
        elif isinstance(question["choices"], list):
            values = list(question["choices"])
        else:
            values = [
                value["value"] if isinstance(value, dict) else value
                for value in question["choices"].values()
            ]
        offered[name] = sorted(values, key=lambda value: value != question["default"])
    return offered


def possible(answers: Answers) -> bool:
    """Is this (perhaps partial) set of answers one that the questions let a person give?"""
    given = answers.get
    if given("web_server") == "none" and given("static_serving") == "web-server":
        return False
    if given("deployment") != "kubernetes":
        return True
    return (
        given("database") != "sqlite"
        and given("media_storage") != "filesystem"
        and given("use_docker") is not False
    )


def asked(answers: Answers) -> Answers:
    """The answers without those to questions that would not have been asked."""
    static, media = answers["static_serving"], answers["media_storage"]
    answers = dict(answers)
    if static != "web-server" and media != "filesystem":
        answers.pop("web_server", None)
    if "s3" not in (static, media):
        answers.pop("object_store", None)
    if answers.get("use_docker") is False:
        answers.pop("deployment", None)
    return answers


def name(answers: Answers) -> str:
    """A short name for a test's id."""
    return "-".join(f"{value}".lower() for value in answers.values())


def distinct(combinations: Iterator[Answers]) -> list[Answers]:
    return list({name(answers): answers for answers in map(asked, combinations)}.values())


def of_files() -> list[Answers]:
    """All combinations of the five questions on static and media, on both Djangos."""
    offered = choices()
    names = ("django_version", *FILES)
    every = itertools.product(*(offered[question] for question in names))
    found = (dict(zip(names, values, strict=True)) for values in every)
    return distinct(answers for answers in found if possible(answers))


@functools.cache
def pairwise() -> list[Answers]:
    """A few combinations in which every two answers that can be given together are.

    Greedy: the next is the one that has most pairs which no other had. (allpairspy takes an answer
    to a question that is not asked for given, and leaves pairs out where others are refused.)
    """
    offered = choices()
    free = {name: values for name, values in offered.items() if name not in BOUND}
    bound = [offered[name] for name in BOUND]
    rows = (dict(zip(BOUND, values, strict=True)) for values in itertools.product(*bound))
    rows = distinct(row for row in rows if possible(row))
    missing = set().union(*map(pairs, rows))
    for one, value in ((name, value) for name in free for value in free[name]):
        others = ((name, v) for name in offered if name != one for v in offered[name])
        missing |= {frozenset(((one, value), other)) for other in others}
    found = []
    while missing:
        whole = (filled(row, free, missing) for row in rows)
        best = max(whole, key=lambda row: len(pairs(row) & missing))
        missing -= pairs(best)
        found.append({name: best[name] for name in offered if name in best})
    return found


def pairs(answers: Answers) -> set[frozenset[tuple[str, Any]]]:
    return set(map(frozenset, itertools.combinations(answers.items(), 2)))


def filled(row: Answers, free: dict[str, list[Any]], missing: set[Any]) -> Answers:
    """With those answers to the questions that bind no other which bring the most pairs."""
    for name, values in free.items():
        value = max(
            values,
            key=lambda value: sum(frozenset(((name, value), p)) in missing for p in row.items()),
        )
        row = {**row, name: value}
    return row
