"""The command line. It knows the house only through `seams.house`."""
