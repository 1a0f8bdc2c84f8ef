"""Words, word vectors and tokenizers."""
