"""User scripts: policy, jail, hosts, delivery."""
