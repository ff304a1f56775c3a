"""Networks as ONNX files, for TensorRT and other runtimes."""
