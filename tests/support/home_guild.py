"""The guild in which the tests use the bot."""

from playground.discord.server import DiscordServer


class HomeGuild:
    """A guild with the bot's category, a channel outside of it, and two people with different languages."""

    def __init__(self, server: DiscordServer) -> None:
        self.server = server
        self.guild = server.guild("Test")
        self.category = self.guild.create_category("Proxmox")
        self.channel = self.guild.create_text_channel("proxmox", category=self.category)
        self.alerts = self.guild.create_text_channel("alerts", category=self.category)
        self.outside = self.guild.create_text_channel("lobby")
        self.akiko = server.person(self.guild, "akiko", display="Akiko", locale="ja")
        self.emma = server.person(self.guild, "emma", display="Emma", locale="en-US")
