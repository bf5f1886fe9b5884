"""The objectives in the plane: four known distributions, minutes on a CPU, and a theory to check them against."""
