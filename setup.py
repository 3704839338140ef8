"""The three packages, and what each half of the job needs to run.

Beam carries this to its remote workers with `--setup_file=./setup.py`; a preprocessing worker takes the
extra `preprocess` alone, without TensorFlow.
"""

from setuptools import find_packages, setup

setup(
    name="review-trainer",
    version="0.1.0",
    description="Distributed batch training of a character LSTM on Kubernetes, from raw reviews to samples",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=["jobs*", "preprocessing*", "trainer*"]),
    package_data={"jobs": ["demo.yaml"], "jobs.pages": ["templates/*.j2"], "preprocessing": ["*.txt"]},
    install_requires=[
        "google-cloud-storage>=3.13,<4",  # 3.13 is what Beam's worker images have
        "google-crc32c>=1.6",
        "numpy>=2.2,<3",
        "pydantic>=2.10,<3",
        "PyYAML>=6",
        "tqdm>=4.66",
    ],
    extras_require={
        "preprocess": ["apache-beam[gcp]>=2.77,<2.78", "backports.zstd>=1.0", "orjson>=3.10"],
        "describe": ["Jinja2>=3.1,<4", "matplotlib>=3.10,<4", "rich>=13.9"],
        "detect": ["scikit-learn>=1.6,<2"],
        "train": [
            "h5py>=3.14,<4",
            "keras>=3.15,<3.16",
            "prometheus-client>=0.21",
            "safetensors>=0.5",
            "tensorboard>=2.20,<3",
        ],
        "cpu": [
            # The CPU build is a fifth of the size where it exists; elsewhere `tensorflow` is the CPU build.
            "tensorflow-cpu>=2.21,<2.22; sys_platform == 'linux' and platform_machine == 'x86_64'",
            "tensorflow>=2.21,<2.22; sys_platform != 'linux' or platform_machine != 'x86_64'",
        ],
        "gpu": ["tensorflow[and-cuda]>=2.21,<2.22"],  # with CUDA and cuDNN as packages; a node brings the driver alone
    },
)
