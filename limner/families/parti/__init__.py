"""Parti (Yu et al. 2022): a picture as a text of image tokens, one after another; `program` is torch-free."""
