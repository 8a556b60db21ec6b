"""Generated conversations: the hidden state that decides, and the bank of wordings."""
