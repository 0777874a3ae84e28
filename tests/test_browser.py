"""The default project as a person sees it, in a real browser."""

from __future__ import annotations

import io

import pytest
from browser import chromium
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from projects import PRODUCTION

EMAIL, PASSWORD = "ada@example.com", "difference-engine"
NAME = "Fish & <b>Chips</b> {{ 7 }}"


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def site(make_project):
    """The address of a running development server with one user."""
    project = make_project(project_name=NAME, package_name="shop", description="“Fresh” {% now %}")
    project.manage("migrate")
    project.manage(
        "createsuperuser", "--noinput",
        DJANGO_SUPERUSER_EMAIL=EMAIL, DJANGO_SUPERUSER_PASSWORD=PASSWORD,
    )  # fmt: skip
    with project.serve("python", "manage.py", "runserver", "--noreload", "{port}") as server:
        yield server.url


@pytest.fixture
def page(browser: Browser, site: str):
    """A page in a fresh profile; the test fails on anything written to its console."""
    context = browser.new_context(base_url=site)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(f"{page.url}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"{page.url}: {error}"))
    page.goto("/")
    yield page
    context.close()
    assert said == []


def sign_in(page: Page) -> None:
    page.get_by_role("link", name="Sign in").click()
    address = page.get_by_label("E-mail address")
    expect(address).to_be_focused()  # by autofocus, of which a faster typist would be told
    address.fill("Ada@Example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def test_start_page_shows_the_site_and_its_panel(page: Page):
    expect(page).to_have_title(NAME)
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    expect(page.get_by_text("“Fresh” {% now %}")).to_be_visible()
    panel = page.get_by_role("region", name="How this site runs")
    for label in ("Database", "Migrations", "Static files", "Uploads"):
        expect(panel.get_by_role("rowheader", name=label)).to_be_visible()
    expect(panel.get_by_text("to do")).to_have_count(0)
    font = page.evaluate("getComputedStyle(document.querySelector('h1')).fontFamily")
    assert "system-ui" in font, "static/css/site.css did not arrive"


def test_avatar_is_uploaded_seen_and_removed(page: Page):
    picture = io.BytesIO()
    Image.new("RGB", (300, 200), "orange").save(picture, "JPEG")
    sign_in(page)
    page.get_by_role("link", name=EMAIL).click()
    page.get_by_label("Name").fill("Ada Lovelace")
    page.get_by_label("Picture", exact=False).set_input_files(
        {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": picture.getvalue()}
    )
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Your account is saved.")
    portrait = page.get_by_role("img", name="Your picture")
    expect(portrait).to_be_visible()
    assert portrait.evaluate("image => image.decode().then(() => image.naturalWidth)") == 300
    expect(page.get_by_role("link", name="Ada Lovelace")).to_be_visible()
    page.get_by_label("Remove the picture").check()
    page.get_by_role("button", name="Save").click()
    expect(portrait).to_have_count(0)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()


def test_what_is_refused_is_said_beside_its_field(page: Page):
    sign_in(page)
    page.goto("/account/")
    field = page.get_by_label("Picture")
    field.set_input_files({"name": "me.png", "mimeType": "image/png", "buffer": b"<script>"})
    page.get_by_role("button", name="Save").click()
    expect(field).to_have_attribute("aria-invalid", "true")
    error = field.get_attribute("aria-describedby")
    expect(page.locator(f"#{error}")).to_contain_text("picture")


def test_keyboard_reaches_everything(page: Page):
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    link = page.get_by_role("link", name="Sign in")
    expect(link).to_be_focused()
    assert link.evaluate("link => getComputedStyle(link).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_label("E-mail address")).to_be_focused()
    page.keyboard.type(EMAIL)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


# The contrast of every text with what is behind it, as WCAG 2 computes it; AA wants 4.5.
CONTRASTS = """() => {
  const light = colour => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map(
      c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = element => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      if (!colour.endsWith(", 0)")) return colour;
    }
  };
  return [...document.querySelectorAll("body *")]
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
    .map(e => {
      const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.textContent.trim()];
    });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1100])
def test_readable_in_light_and_dark_and_on_any_screen(page: Page, scheme, width):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 700})
    for path in ("/", "/account/sign-in/", "/account/"):
        if path == "/account/":
            page.goto("/")
            sign_in(page)
        page.goto(path)
        assert page.url.endswith(path)
        assert page.evaluate("document.documentElement.lang") == "en"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) > 3
        assert [text for contrast, text in contrasts if contrast < 4.5] == []
        for field in page.locator("main input:not([type=hidden])").all():
            assert field.evaluate("field => field.labels.length"), field
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(23, 22, 20)"
    assert dark == (scheme == "dark")


def test_error_pages_of_production(browser: Browser, make_project):
    """404 without a database; a request that fails says so, and nothing of its reason."""
    project = make_project()
    project.manage("collectstatic", "--noinput", **PRODUCTION)
    urls = project.path / "config" / "urls.py"
    urls.write_text(
        urls.read_text() + '\nurlpatterns.append(path("broken/", lambda request: 1 / 0))\n'
    )
    variables = {**PRODUCTION, "DATABASE_URL": "sqlite:////nowhere/db.sqlite3"}
    with project.serve(path="/nothing/", **variables) as server:
        context = browser.new_context(
            base_url=server.url, extra_http_headers={"X-Forwarded-Proto": "https"}
        )
        context.add_cookies([{"name": "sessionid", "value": "x", "url": server.url}])
        page = context.new_page()
        assert page.goto("/nothing/").status == 404
        expect(page.get_by_role("heading", level=1)).to_have_text("Page not found")
        expect(page.get_by_role("link", name="To the start page")).to_be_visible()
        assert page.goto("/broken/").status == 500
        expect(page.get_by_role("heading", level=1)).to_have_text("Something went wrong")
        assert "ZeroDivisionError" not in page.content()
        context.close()
