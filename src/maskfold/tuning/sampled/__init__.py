"""The search for rules by a metric of whole masks: settings are sampled and applied, as no table can hold them."""
