#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""./x up and ./x down: the cluster of docker-compose.yml, from nothing to healthy, and back to nothing.

up    makes the image (base image, install tree, layers; each only if it is not there or not the same), starts three servers and waits
      until their health checks pass. Running it again brings up what is missing and takes seconds.
down  removes containers, networks and volumes of the project, and checks that none is left. Images stay.

Both leave the Docker engine as they find it. Exit status: 0 done, 1 something failed (said on stderr), 2 wrong usage.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import folder_owner

ROOT = pathlib.Path(__file__).resolve().parent.parent
BASE_IMAGE = "debian:bookworm-slim"
SERVERS = ("server-0", "server-1", "server-2")
PROFILES = ("demo", "monitoring")
COMPONENTS = ("server", "examples")
PULL_TIMEOUT_S = 120
POLL_S = 0.2
OLD_CONTAINER_S = 40     # docker-compose has stopped and started one by then: stop_grace_period and some


class ComposeError(Exception):
    """What went wrong and what to do, for the user."""


def say(text):
    print(f"== {text}", file=sys.stderr, flush=True)


def run(*command, check=True, **kwargs):
    """Runs to the end; output is captured as text. ComposeError with the end of the output when it fails and `check`."""
    done = subprocess.run([str(c) for c in command], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, **kwargs)
    if check and done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise ComposeError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{tail}")
    return done


def check_engine():
    """ComposeError unless a Docker engine answers. It is not started: what is not ours to stop is not ours to start."""
    if shutil.which("docker") is None:
        raise ComposeError("there is no docker program: apt-get install docker.io")
    answer = run("docker", "info", "--format", "{{.ServerVersion}}", check=False)
    if answer.returncode == 0:
        return
    if "permission denied" in answer.stderr.lower():
        raise ComposeError("this user may not use the Docker engine: run as root, or join the group docker and log in again")
    raise ComposeError("the Docker engine does not answer: start it (systemctl start docker; without systemd, dockerd as root) and try "
                       f"again\n{answer.stderr.strip()}")


def compose_program():
    if run("docker", "compose", "version", check=False).returncode == 0:
        return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    raise ComposeError("there is neither docker-compose nor the compose plugin of docker: apt-get install docker-compose")


def project_name():
    """As docker-compose names the project: from the environment, the file .env, or the folder."""
    name = os.environ.get("COMPOSE_PROJECT_NAME")
    if not name and (ROOT / ".env").exists():
        found = re.search(r"^COMPOSE_PROJECT_NAME=[\"']?([^\"'\s]+)", (ROOT / ".env").read_text(encoding="utf-8"), re.M)
        name = found and found[1]
    return name or re.sub(r"[^-_a-z0-9]", "", ROOT.name.lower()).lstrip("-_")


def image_id(name):
    found = run("docker", "image", "inspect", "--format", "{{.Id}}", name, check=False)
    return found.stdout.strip() if found.returncode == 0 else None


def ensure_base_image():
    if image_id(BASE_IMAGE):
        return
    say(f"pulling {BASE_IMAGE}")
    try:
        pulled = run("docker", "pull", "--quiet", BASE_IMAGE, check=False, timeout=PULL_TIMEOUT_S)
        why = pulled.stderr.strip()
    except subprocess.TimeoutExpired:
        pulled, why = None, f"no answer for {PULL_TIMEOUT_S} s"
    if pulled is not None and pulled.returncode == 0:
        return
    say(f"it cannot be pulled ({why}); making it with debootstrap")
    run(ROOT / "deploy" / "docker" / "make_base_image", BASE_IMAGE)


def is_debian_12():
    try:
        text = pathlib.Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return False
    return re.search(r'^ID="?debian"?$', text, re.M) is not None and re.search(r'^VERSION_ID="?12"?$', text, re.M) is not None


def make_install_tree(build_dir):
    """.rowhouse/image/tree from the built programs; one that is complete takes the place of the last."""
    home = ROOT / ".rowhouse" / "image"
    try:
        folder_owner.check(ROOT, ".rowhouse/image")
    except folder_owner.ForeignFolder as error:
        raise ComposeError(error) from error
    home.mkdir(parents=True, exist_ok=True)
    made = pathlib.Path(tempfile.mkdtemp(prefix="new-", dir=home))
    try:
        for component in COMPONENTS:
            run("cmake", "--install", build_dir, "--prefix", "/usr", "--component", component, "--strip",
                env=dict(os.environ, DESTDIR=str(made)))
        made.chmod(0o755)
        shutil.rmtree(home / "tree", ignore_errors=True)
        made.rename(home / "tree")
    finally:
        shutil.rmtree(made, ignore_errors=True)


def proxy_arguments():
    """Docker gives these to each step of a build without keeping them in the image. A proxy of this machine's own is only reached from
    this machine's network, which steps of a build may use."""
    names = [name for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY") if os.environ.get(name)]
    return ["--network=host"] + [f"--build-arg={name}" for name in names]


def origin_arguments(root):
    """What the image's labels say of its source: where it is published, commit, the commit's time. The same for the same commit, so that
    the image is. Nothing outside of a git checkout."""
    def git(*words):
        done = subprocess.run(["git", "-C", str(root), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True, check=False, env=dict(os.environ, TZ="UTC"))
        return done.stdout.strip() if done.returncode == 0 else ""
    if shutil.which("git") is None or not (revision := git("rev-parse", "HEAD")):
        return []
    facts = {"REVISION": revision + ("-dirty" if git("status", "--porcelain") else ""),
             "CREATED": git("log", "-1", "--format=%cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ")}
    # A remote may be a folder of this machine, and its address may hold a password: neither belongs into an image.
    if published := re.fullmatch(r"https?://(?:[^/@]*@)?([^/@]+/.*)|(?:ssh://)?git@([^:/]+)[:/](.*)", git("remote", "get-url", "origin")):
        facts["SOURCE"] = "https://" + (published[1] or f"{published[2]}/{published[3]}").removesuffix(".git")
    return [f"--build-arg={name}={value}" for name, value in facts.items()]


def build_image(compose, flags):
    """The image of docker-compose.yml, from source or from the tree of what is built here. Whether it is another than before."""
    image = re.search(r"^  server-0:\n(?:   .*\n)*?    image: (\S+)$", run(*compose, "config").stdout, re.M)[1]
    from_source = flags.from_source or (flags.build_dir is None and not is_debian_12())
    if not from_source:
        build_dir = flags.build_dir or ROOT / "build" / "release"
        if flags.build_dir is None:
            built = subprocess.run([ROOT / "x", "build", "release", "rowhouse", "dlrm", "criteo_synth"], cwd=ROOT)
            if built.returncode != 0:
                raise ComposeError("the build failed; its errors are above")
        say("installing into .rowhouse/image/tree")
        make_install_tree(build_dir)
    say(f"building the image {image} {'from source, which takes a while' if from_source else 'from the tree'}")
    before = image_id(image)
    target = "runtime" if from_source else "runtime-from-tree"
    command = ["docker", "build", "--file", "deploy/Dockerfile", "--tag", image, "--target", target, *origin_arguments(ROOT),
               *proxy_arguments(), "."]
    if from_source:
        if subprocess.run(command, cwd=ROOT, stdout=sys.stderr).returncode != 0:
            raise ComposeError("the image could not be built; the errors are above")
    else:
        run(*command)
    return before != image_id(image)


def servers_found():
    """service -> what docker inspect says, for servers that have a container. Asks the engine: docker-compose takes a second to start."""
    identities = left_over("container")
    if not identities:
        return {}
    found = json.loads(run("docker", "inspect", *identities, check=False).stdout or "[]")  # one may be gone by now
    by_service = {c["Config"]["Labels"].get("com.docker.compose.service"): c for c in found}
    return {service: by_service[service] for service in SERVERS if service in by_service}


def state_of(found):
    return found["State"]["Status"], found["State"].get("Health", {}).get("Status", "none")


def is_hopeless(found):
    state, health = state_of(found)
    return state in ("exited", "dead") or health == "unhealthy" or (state == "restarting" and found["RestartCount"] > 1)


def start_until_healthy(compose, timeout_s):
    """Ends with ComposeError, and the end of the logs, as soon as a server will not become healthy: docker-compose itself may wait
    forever for one that starts again and again. A container from before may be stopped or sick until docker-compose has dealt with it."""
    before = {found["Id"] for found in servers_found().values()}
    began = time.monotonic()
    command = [*compose, "up", "--detach", *SERVERS]
    with tempfile.TemporaryFile("w+") as output, \
            subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output) as starting:
        try:
            while True:
                ended, waited_s = starting.poll(), time.monotonic() - began
                servers = servers_found()
                waiting = [s for s in SERVERS if s not in servers or state_of(servers[s]) != ("running", "healthy")]
                if ended == 0 and not waiting:
                    return
                judged = [s for s in waiting if s in servers and (ended is not None or servers[s]["Id"] not in before or waited_s > OLD_CONTAINER_S)]
                hopeless = [s for s in judged if is_hopeless(servers[s])]
                if ended or hopeless or waited_s > timeout_s:
                    output.seek(0)
                    said = output.read().strip() + "\n" if ended else ""
                    after = "" if ended or hopeless else f" after {timeout_s} s"
                    raise ComposeError(said + describe_unhealthy(compose, hopeless or waiting, servers, after))
                time.sleep(POLL_S)
        finally:
            if starting.poll() is None:
                starting.terminate()


def describe_unhealthy(compose, services, servers, after):
    states = [f"{s} ({'/'.join(state_of(servers[s])) if s in servers else 'no container'})" for s in services]
    logs = run(*compose, "logs", "--no-color", "--tail", "10", *services, check=False)
    return "\n".join([f"not healthy{after}: " + ", ".join(states), logs.stdout.strip(),
                      "containers and volumes are kept for a look; ./x down removes them"])


def published(found, port):
    """Where this machine reaches a port of a container."""
    binding = found["NetworkSettings"]["Ports"][f"{port}/tcp"][0]
    return f"{binding['HostIp']}:{binding['HostPort']}"


def up(flags):
    began = time.monotonic()
    check_engine()
    compose = compose_program()
    ensure_base_image()
    changed = build_image(compose, flags)
    prepared = time.monotonic()
    say("starting three servers")
    start_until_healthy(compose, flags.timeout)
    healthy = time.monotonic()
    name = " ".join(compose)
    found = servers_found()
    image = f"image {'made' if changed else 'unchanged'} in {prepared - began:.1f} s"
    print(f"""three servers are healthy: {image}, started in {healthy - prepared:.1f} s
    gRPC  {'  '.join(published(found[s], 7600 + i) for i, s in enumerate(SERVERS))}
    HTTP  {'  '.join('http://' + published(found[s], 7680) for s in SERVERS)}      (/metrics, /readyz)
next:
    {name} exec server-0 rowhouse status --insecure
    {name} --profile demo up trainer         trains a DLRM through them
    {name} --profile monitoring up -d        Prometheus with the alert rules
    ./x down                                        removes all of it""", flush=True)


def left_over(kind):
    """Ids of containers, networks or volumes that carry the project's label."""
    command = {"container": ["container", "ls", "--all"], "network": ["network", "ls"], "volume": ["volume", "ls"]}[kind]
    return run("docker", *command, "--quiet", "--filter", f"label=com.docker.compose.project={project_name()}").stdout.split()


def down(flags):
    check_engine()
    compose = compose_program()
    profiles = [word for profile in PROFILES for word in ("--profile", profile)]
    run(*compose, *profiles, "down", "--remove-orphans", *([] if flags.keep_data else ["--volumes"]))
    kinds = ("container", "network") if flags.keep_data else ("container", "network", "volume")
    left = [f"{kind} {name}" for kind in kinds for name in left_over(kind)]
    if left:
        raise ComposeError("left over, and to be removed with docker " + "; ".join(left))
    kept = left_over("volume")
    print(f"removed; volumes kept: {', '.join(sorted(kept))}; ./x up goes on with them" if kept else "removed: containers, network, volumes")


def parse_flags():
    parser = argparse.ArgumentParser(prog="./x", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    up_parser = commands.add_parser("up", help="make the image, start three servers, wait until they are healthy")
    source = up_parser.add_mutually_exclusive_group()
    source.add_argument("--from-source", action="store_true", help="compile inside of the image build, as on other systems than Debian 12")
    source.add_argument("--build-dir", type=lambda text: pathlib.Path(text).resolve(), help="take the programs built there, building nothing")
    up_parser.add_argument("--timeout", type=int, default=300, metavar="SECONDS", help="wait so long for health (default %(default)s)")
    down_parser = commands.add_parser("down", help="remove containers, networks and volumes")
    down_parser.add_argument("--keep-data", action="store_true", help="keep the volumes")
    flags = parser.parse_args()
    if flags.command == "up":
        if flags.timeout < 1:
            parser.error(f"--timeout must be at least 1 second, got {flags.timeout}")
        if flags.build_dir is not None and not (flags.build_dir / "cmake_install.cmake").exists():
            parser.error(f"--build-dir {flags.build_dir} is no build directory: it has no cmake_install.cmake; ./x build makes build/release")
    return flags


def main():
    flags = parse_flags()
    try:
        (up if flags.command == "up" else down)(flags)
    except ComposeError as error:
        print(f"x {flags.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nx {flags.command}: interrupted; ./x down removes what was started", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
