"""The three packages and their dependencies.

Beam installs this package on remote workers with `--setup_file=./setup.py`, without extras. So what a preprocessing
worker imports beside Beam stands in install_requires.
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
        "backports.zstd>=1.0",
        "google-cloud-storage>=3.13,<4",  # Beam's worker images have 3.13
        "google-crc32c>=1.6",
        "numpy>=2.2,<3",
        "orjson>=3.10",
        "pydantic>=2.10,<3",
        "PyYAML>=6",
        "tqdm>=4.66",
    ],
    extras_require={
        "preprocess": ["apache-beam[gcp]>=2.77,<2.78"],
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
            # tensorflow-cpu is a fifth of the size, but exists for x86-64 Linux only. Elsewhere tensorflow is for CPUs.
            "tensorflow-cpu>=2.21,<2.22; sys_platform == 'linux' and platform_machine == 'x86_64'",
            "tensorflow>=2.21,<2.22; sys_platform != 'linux' or platform_machine != 'x86_64'",
        ],
        "gpu": ["tensorflow[and-cuda]>=2.21,<2.22"],  # brings CUDA and cuDNN; the node has the driver only
    },
)
