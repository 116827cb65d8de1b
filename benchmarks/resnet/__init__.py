"""A spiking ResNet-18 of this package against SpikingJelly's own, with the same weights and images."""
