"""A checked table -> a plan and its priced preview, and questions to a carrier that buy nothing."""
