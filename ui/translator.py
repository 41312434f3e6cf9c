"""Descriptions of commands and options in Discord's own languages: English is the default, Japanese beside it."""

import discord
from discord import app_commands

from ui.i18n import Texts

ENGLISH = (discord.Locale.american_english, discord.Locale.british_english)


class CatalogueTranslator(app_commands.Translator):
    """Looks the English source up in the catalogue. Names of commands and options stay as they are."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        place = context.location
        names = (
            app_commands.TranslationContextLocation.command_name,
            app_commands.TranslationContextLocation.group_name,
            app_commands.TranslationContextLocation.parameter_name,
        )
        if place in names:
            return None
        if locale is discord.Locale.japanese:
            return self._texts.of("ja").raw(string.message)
        return string.message if locale in ENGLISH else None
