"""What the Batch page keeps between reruns, of batches and of slides; the others of st.cache_* are
`pages/ui/caches.py` and `pages/ui/trust_caches.py`.

A batch is found by an address that cannot be guessed, so what is read of its folder may be kept for whoever
has that address; images of it go with the session.
"""
