"""Translate the descriptions of commands and options for Discord. English is the default, Japanese is added."""

import discord
from discord import app_commands

from ui.i18n import Texts

ENGLISH = (discord.Locale.american_english, discord.Locale.british_english)


class CatalogueTranslator(app_commands.Translator):
    """Look up the English source in the catalogue. The names of commands and options are not translated."""

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
