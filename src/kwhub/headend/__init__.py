"""The head-end: takes readings from concentrators, keeps them, shows what they mean and sends orders back."""
