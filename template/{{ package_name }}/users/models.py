"""The people who sign in."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models, transaction
from django.db.models.functions import Lower
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone

from ..files.fields import ImageField


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        if not email:
            raise ValueError("A user needs an e-mail address.")
        user = self.model(email=email, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, **fields, is_staff=True, is_superuser=True)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=User.normalize_username(username or ""))

    async def aget_by_natural_key(self, username: str | None) -> User:
        return await self.aget(email=User.normalize_username(username or ""))


class User(AbstractBaseUser, PermissionsMixin):
    """Somebody who signs in with an e-mail address, in whatever case it is typed."""

    email = models.EmailField("e-mail address", unique=True)
    name = models.CharField(max_length=150, blank=True)
    avatar = ImageField(upload_to="avatars", blank=True)
    is_staff = models.BooleanField(default=False, help_text="May enter the administration.")
    is_active = models.BooleanField(default=True, help_text="May sign in at all.")
    date_joined = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"

    class Meta:
        constraints = (models.UniqueConstraint(Lower("email"), name="users_user_email"),)

    def __str__(self) -> str:
        return self.name or self.email

    @classmethod
    def normalize_username(cls, username: str) -> str:
        return super().normalize_username(username).strip().lower()

    def save(self, **options: Any) -> None:
        """Save, and delete the avatar that this replaces once nothing can bring it back."""
        self.email = self.normalize_username(self.email)
        changed = options.get("update_fields")
        if self._state.adding or (changed is not None and "avatar" not in changed):
            super().save(**options)
            return
        with transaction.atomic():
            before = User.objects.select_for_update().filter(pk=self.pk).first()
            super().save(**options)
            if before and before.avatar != self.avatar:
                delete_avatar(before)


@receiver(post_delete, sender=User)
def delete_avatar(instance: User, **_: Any) -> None:
    if instance.avatar:
        transaction.on_commit(partial(instance.avatar.delete, save=False), robust=True)
