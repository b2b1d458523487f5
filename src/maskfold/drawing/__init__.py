"""How pictures, charts and pages are drawn."""
