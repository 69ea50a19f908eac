// Patches what changes into the page.
