"""The concentrator: reads the meters of its buses by a plan, keeps what it read, and reports it upwards."""
