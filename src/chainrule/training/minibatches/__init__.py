"""Steps on mini-batches: what each is made of, and the loop over them."""
