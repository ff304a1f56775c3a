"""What is called of TensorRT, over ONNX Runtime and memory of the CPU: there is no GPU here."""

import ctypes
from enum import IntEnum

import numpy as np
import onnxruntime


class NetworkDefinitionCreationFlag(IntEnum):
    EXPLICIT_BATCH = 0
    STRONGLY_TYPED = 1


class Logger:
    ERROR = 1

    def __init__(self, severity):
        self.severity = severity


class Builder:
    def __init__(self, logger):
        assert isinstance(logger, Logger)

    def create_network(self, flags):
        assert flags == 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED
        return {}

    def create_builder_config(self):
        return object()

    def build_serialized_network(self, network, config):
        return network['content']


class OnnxParser:
    refuses = False

    def __init__(self, network, logger):
        self.network = network

    def parse(self, content):
        assert isinstance(content, bytes)
        self.network['content'] = content
        return not self.refuses

    def get_error(self, number):
        return 'In node 3: UNSUPPORTED_NODE'


class Runtime:
    def __init__(self, logger):
        pass

    def deserialize_cuda_engine(self, plan):
        return Engine(onnxruntime.InferenceSession(plan, providers=['CPUExecutionProvider']))


class Engine:
    def __init__(self, session):
        self.session = session

    def create_execution_context(self):
        return Context(self.session)


class Context:
    def __init__(self, session):
        self.session, self.addresses = session, {}

    def set_tensor_address(self, name, address):
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream):
        assert stream == 0
        feeds = {item.name: self.memory(item) for item in self.session.get_inputs()}
        for item, value in zip(self.session.get_outputs(), self.session.run(None, feeds)):
            self.memory(item)[:] = value
        return True

    def memory(self, item):
        """Return the bytes that an address was given for."""
        kind = {'tensor(uint8)': np.uint8, 'tensor(float)': np.float32}[item.type]
        count = int(np.prod(item.shape)) * np.dtype(kind).itemsize
        place = (ctypes.c_uint8 * count).from_address(self.addresses[item.name])
        return np.frombuffer(place, kind).reshape(item.shape)
