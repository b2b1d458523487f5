"""ONNX files and what a bundle needs."""
