"""Written conversations: mails, chats, help desks' tickets."""
