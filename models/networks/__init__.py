"""Networks in Keras: flat graphs that end in logits and publish feature maps and channel weights."""
