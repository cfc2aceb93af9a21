"""Where half precision pays."""

import torch


def is_native(device_type: str) -> bool:
    """Whether bfloat16 is native to devices of a type, ``cpu`` or ``cuda``; others only imitate it, slowly.

    A CUDA device says so; a CPU has AMX tiles or AVX512-BF16.
    """
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Older versions of torch do not tell.
    known: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)() if device_type == "cpu" else {}
    return bool(known.get("amx_bf16") or known.get("avx512_bf16"))
