"""The pages, signing in, and the account page."""

import pytest
from django.core.exceptions import PermissionDenied
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import IntegrityError
from django.urls import reverse
from django.views import defaults

PASSWORD = "difference-engine"


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


@pytest.fixture
def account(client, ada):
    """Post to Ada's account page as Ada, e.g. account(name="Ada")."""
    client.force_login(ada)

    def post(**fields):
        response = client.post(reverse("account"), {"name": "", **fields})
        ada.refresh_from_db()
        return response

    return post


def test_sign_in_and_out(client, ada):
    form = client.get(reverse("login")).content.decode()
    assert 'autocomplete="username"' in form
    assert 'autocomplete="current-password"' in form
    wrong = client.post(reverse("login"), {"username": ada.email, "password": "wrong"})
    assert "No account has this" in wrong.content.decode()
    client.post(reverse("login"), {"username": "ADA@Example.com", "password": PASSWORD})
    assert client.get(reverse("account")).status_code == 200
    client.post(reverse("logout"))
    assert client.get(reverse("account")).status_code == 302


def test_one_account_for_an_address_in_any_case(ada, django_user_model):
    with pytest.raises(IntegrityError):
        django_user_model.objects.create_user("Ada@EXAMPLE.com")


def test_administration_makes_and_changes_users(admin_client, django_user_model):
    add = reverse("admin:users_user_add")
    passwords = {"usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    admin_client.post(add, {"email": "Grace@example.com", "name": "Grace", **passwords})
    grace = django_user_model.objects.get(email="grace@example.com")
    assert grace.check_password(PASSWORD)
    page = admin_client.get(reverse("admin:users_user_change", args=[grace.pk]))
    assert "Grace" in page.content.decode()
    again = admin_client.post(add, {"email": "GRACE@example.com", **passwords})
    assert "already exists" in again.content.decode()


def test_account_page_changes_its_owner_alone(account, ada, django_user_model):
    grace = django_user_model.objects.create_user("grace@example.com", name="Grace")
    account(name="Ada", id=grace.pk, email="other@example.com", is_staff="on")
    grace.refresh_from_db()
    assert (ada.name, ada.email, ada.is_staff) == ("Ada", "ada@example.com", False)
    assert grace.name == "Grace"


def test_account_page_asks_for_signing_in(client, db):
    response = client.post(reverse("account"), {"name": "Nobody"})
    assert response.url == f"{reverse('login')}?next={reverse('account')}"


def test_avatar_is_kept_until_another_replaces_it(
    account, ada, picture, django_capture_on_commit_callbacks
):
    account(avatar=picture("red"))
    red = ada.avatar.name
    with django_capture_on_commit_callbacks() as callbacks:
        account(avatar=picture("blue"))
    blue = ada.avatar.name
    assert default_storage.exists(red)
    for callback in callbacks:
        callback()
    assert not default_storage.exists(red)
    with django_capture_on_commit_callbacks(execute=True):
        account(remove_avatar="on")
    assert not ada.avatar
    assert not default_storage.exists(blue)


def test_avatar_goes_with_its_user(account, ada, picture, django_capture_on_commit_callbacks):
    account(avatar=picture())
    name = ada.avatar.name
    with django_capture_on_commit_callbacks(execute=True):
        ada.delete()
    assert not default_storage.exists(name)


def test_avatar_must_be_a_picture(account, ada, picture):
    file = picture()
    file.name = "holiday.html"
    response = account(avatar=file)
    assert response.status_code == 200
    assert response.context["form"].errors["avatar"]
    assert not ada.avatar
