"""What every model is made of: the contract, a conversation's vector, the files of a trained model."""
