"""What is done with a trained model: scores, calibration, pictures, timings."""
