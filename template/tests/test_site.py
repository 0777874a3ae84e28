"""The start page, the error pages and the database's schema."""

from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.views import defaults


def test_start_page_shows_the_name_escaped(client, settings):
    settings.SITE_NAME = "<b>Fish & Chips</b>"
    page = client.get("/").content.decode()
    assert "<h1><bdi>&lt;b&gt;Fish &amp; Chips&lt;/b&gt;</bdi></h1>" in page


def test_only_development_tells_how_the_site_runs(client, db, settings):
    assert 'id="facts"' not in client.get("/").content.decode()
    settings.DEBUG = True
    assert 'id="facts"' in client.get("/").content.decode()


def test_page_not_found_needs_no_database(client, settings):
    client.cookies[settings.SESSION_COOKIE_NAME] = "somebody"
    response = client.get("/nowhere/")
    assert response.status_code == 404
    assert "Page not found" in response.content.decode()


def test_other_error_pages_need_no_database(rf):
    forbidden = defaults.permission_denied(rf.get("/"), PermissionDenied())
    assert "Not allowed" in forbidden.content.decode()
    broken = defaults.server_error(rf.get("/"))
    assert "Something went wrong" in broken.content.decode()


def test_no_migration_is_missing(db):
    call_command("makemigrations", "--check", "--dry-run")
