"""Written scenarios of sales conversations, and the conversations that are drawn from them."""
