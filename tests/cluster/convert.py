"""Convert a GGUF file to the folder of a transformers model, which vLLM serves: `convert.py FILE FOLDER`."""

import sys
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

file, folder = Path(sys.argv[1]), Path(sys.argv[2])
tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.bfloat16)
# As it was loaded, the model would be saved as a quantized one.
config = AutoConfig.from_pretrained(file.parent, gguf_file=file.name)
if hasattr(config, "quantization_config"):
    del config.quantization_config
plain = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
plain.load_state_dict(model.state_dict())
plain.save_pretrained(folder)
tokenizer.save_pretrained(folder)
