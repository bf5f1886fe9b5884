"""The objectives on points in the plane: four known distributions, in minutes on a CPU."""
