"""`demo`: the whole story on real input. Only the people are played; everything else is the product."""
