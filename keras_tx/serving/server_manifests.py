"""Manifests that start TensorFlow Serving: Docker, Docker Compose and Kubernetes."""

from __future__ import annotations

import dataclasses
import json
import shlex
import textwrap
from collections.abc import Mapping, Sequence

GRPC_PORT, REST_PORT = 8500, 8501
ARGUMENTS = (
    "--model_config_file=/config/models.config",
    "--model_config_file_poll_wait_seconds=60",
    # Otherwise the server would not start, for no version is there yet.
    "--allow_version_labels_for_unavailable_models=true",
    "--enable_batching=true",
    "--batching_parameters_file=/config/batching.config",
    # There is a batch for each processor: to share every small operation among them as well
    # would cost more than it gains.
    "--tensorflow_intra_op_parallelism=1",
)
MEBIBYTE = 2**20


@dataclasses.dataclass(frozen=True)
class Server:
    """What starts a server.

    Attributes:
        image: of the container.
        cpus: its processors.
        size: of the served versions, in bytes.
        xla: whether XLA may compile what asks for it. Default `False`.
        frozen_weights: whether oneDNN's kernels keep weights in their own order from product to
            product. Default `False`.
    """

    image: str
    cpus: int
    size: int
    xla: bool = False
    frozen_weights: bool = False

    @property
    def arguments(self) -> tuple[str, ...]:
        """Those of the command line."""
        return (*ARGUMENTS, *(["--xla_cpu_compilation_enabled=true"] if self.xla else []))

    @property
    def environment(self) -> dict[str, str]:
        """Variables to set."""
        return {"TF_ONEDNN_ASSUME_FROZEN_WEIGHTS": "1"} if self.frozen_weights else {}


def memory(size: int) -> int:
    """Mebibytes for a server of models of `size` bytes: an estimate, on the safe side.

    Half a gibibyte for the server, and each weight six times: the file's pages, the weight, what
    is made of it, and the tensors of batches.
    """
    return 512 + 256 * -(-6 * size // (256 * MEBIBYTE))


def docker_run(volumes: Mapping[str, str], server: Server) -> str:
    """A shell script of one command; `volumes` is model -> its folder, relative to the script."""
    sources = {
        **{f"/models/{name}": f"/{folder}" for name, folder in volumes.items()},
        "/config": "",
    }
    # Of comma-separated values: -v would take a colon in a path for the end of it.
    mounts = [
        f"""--mount 'type=bind,readonly,target={target},"source='"$here"{_in_quotes(source)}"""
        for target, source in sources.items()
    ]
    command = " ".join(
        [
            "docker run --rm --read-only --tmpfs /tmp",
            *(f"-p 127.0.0.1:{port}:{port}" for port in (GRPC_PORT, REST_PORT)),
            *mounts,
            *(f"-e {name}={value}" for name, value in server.environment.items()),
            server.image,
            *server.arguments,
        ]
    )
    # The real place, for folders above it are not those above a link to it.
    # With CDPATH `cd` would say where it went.
    here = """here=$(CDPATH= cd -P -- "$(dirname -- "$0")" && pwd -P | sed 's/"/""/g')"""
    return f"#!/bin/sh\n{here} && exec {command}\n"


def _in_quotes(source: str) -> str:
    """The end of a quoted value, quoted for the shell as well."""
    doubled = source.replace('"', '""')
    return shlex.quote(f'{doubled}"')


def compose(volumes: Mapping[str, str], server: Server) -> str:
    """`compose.yaml`; `volumes` is model -> its folder, relative to the file."""
    # JSON's strings are YAML's too. A dollar would stand for a variable.
    folders = {name: folder.replace("$", "$$") for name, folder in volumes.items()}
    mounts = [
        f"      - {{type: bind, source: {json.dumps(folder, ensure_ascii=False)}, "
        f'target: "/models/{name}", read_only: true}}'
        for name, folder in folders.items()
    ]
    arguments = "\n".join(f"      - {argument}" for argument in server.arguments)
    variables = "".join(f'      {name}: "{value}"\n' for name, value in server.environment.items())
    environment = f"    environment:\n{variables}" if variables else ""
    first = next(iter(volumes))
    return f"""\
# docker compose up
services:
  serving:
    image: {json.dumps(server.image)}
    command:
{arguments}
    # Of this machine only. There is no password: put a proxy before it to let others in.
    ports:
      - "127.0.0.1:{GRPC_PORT}:{GRPC_PORT}" # gRPC
      - "127.0.0.1:{REST_PORT}:{REST_PORT}" # REST
    volumes:
{chr(10).join(mounts)}
      - "./models.config:/config/models.config:ro"
      - "./batching.config:/config/batching.config:ro"
    # The image has no curl, but a shell that can open a connection.
    healthcheck:
      test:
        - CMD
        - bash
        - -c
        - >-
          exec 3<>/dev/tcp/127.0.0.1/{REST_PORT} &&
          printf 'GET /v1/models/{first} HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q AVAILABLE <&3
      interval: 10s
      timeout: 5s
      retries: 3
      start_period: 120s
    restart: unless-stopped
{environment}    read_only: true
    tmpfs: [/tmp]
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    deploy:
      resources:
        limits:
          cpus: "{server.cpus}"
          memory: {memory(server.size)}m
"""


def kubernetes(
    files: Mapping[str, str],
    names: Sequence[str],
    server: Server,
    replicas: int,
) -> str:
    """A manifest with configuration, volume, deployment and service.

    Args:
        files: with `models.config` and `batching.config`, which become a ConfigMap.
        names: of the models. The first one's answer tells that a server is ready.
        server: what each of them is.
        replicas: how many there are.
    """
    literals = "".join(
        f"  {name}: |\n{textwrap.indent(files[name], '    ')}"
        for name in ("models.config", "batching.config")
    )
    arguments = "\n".join(f"            - {argument}" for argument in server.arguments)
    variables = "".join(
        f'            - {{name: {name}, value: "{value}"}}\n'
        for name, value in server.environment.items()
    )
    environment = f"          env:\n{variables}" if variables else ""
    storage = 1 + -(-4 * server.size // (1024 * MEBIBYTE))
    return f"""\
# kubectl apply -f kubernetes.yaml
# The claim `models` must be filled with the base directories: {", ".join(names)}.
apiVersion: v1
kind: ConfigMap
metadata:
  name: serving
data:
{literals}---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: models
spec:
  accessModes: [ReadWriteMany]
  resources:
    requests:
      storage: {storage}Gi
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: serving
  labels: {{app: serving}}
spec:
  replicas: {replicas}
  selector:
    matchLabels: {{app: serving}}
  strategy:
    rollingUpdate: {{maxUnavailable: 0, maxSurge: 1}}
  template:
    metadata:
      labels: {{app: serving}}
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 60
      securityContext:
        runAsNonRoot: true
        runAsUser: 1000
        seccompProfile: {{type: RuntimeDefault}}
      containers:
        - name: serving
          image: {json.dumps(server.image)}
          args:
{arguments}
{environment}          ports:
            - {{name: grpc, containerPort: {GRPC_PORT}}}
            - {{name: rest, containerPort: {REST_PORT}}}
          # The server listens when all models are loaded and warm.
          startupProbe:
            httpGet: {{path: /v1/models/{names[0]}/metadata, port: rest}}
            periodSeconds: 5
            failureThreshold: 60
          readinessProbe:
            httpGet: {{path: /v1/models/{names[0]}/metadata, port: rest}}
            periodSeconds: 5
            timeoutSeconds: 5
          livenessProbe:
            tcpSocket: {{port: grpc}}
            periodSeconds: 10
            failureThreshold: 6
          lifecycle:
            preStop: # Others learn first that it goes; requests under way end.
              exec: {{command: [sleep, "10"]}}
          resources:
            requests: {{cpu: "{server.cpus}", memory: {memory(server.size)}Mi}}
            limits: {{memory: {2 * memory(server.size)}Mi}}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {{drop: [ALL]}}
          volumeMounts:
            - {{name: models, mountPath: /models, readOnly: true}}
            - {{name: config, mountPath: /config, readOnly: true}}
            - {{name: scratch, mountPath: /tmp}}
      volumes:
        - name: models
          persistentVolumeClaim: {{claimName: models, readOnly: true}}
        - name: config
          configMap: {{name: serving}}
        - name: scratch
          emptyDir: {{}}
---
apiVersion: v1
kind: Service
metadata:
  name: serving
spec:
  selector: {{app: serving}}
  ports:
    - {{name: grpc, port: {GRPC_PORT}, targetPort: grpc}}
    - {{name: rest, port: {REST_PORT}, targetPort: rest}}
"""
