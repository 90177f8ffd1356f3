#!/bin/sh
# Starts a worker of Dataflow as a user without rights. Beam's boot keeps what a job stages in a
# folder that Dataflow mounts, and that is root's: so the container starts as root, prepares this
# folder, and only then becomes somebody else.
set -eu
boot=${TEXTBEAM_BOOT:-/opt/apache/beam/boot}
user=${TEXTBEAM_USER:-textbeam}

if [ "$(id -u)" != 0 ]; then # whoever runs the container has chosen a user
    exec "$boot" "$@"
fi
folder=/tmp
for argument; do
    case $argument in
    -semi_persist_dir=* | --semi_persist_dir=*) folder=${argument#*=} ;;
    esac
done
home=$(getent passwd "$user" | cut -d: -f6)
mkdir -p "$folder/staged"
chown -R "$user" "$folder/staged"
exec setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups --no-new-privs \
    env HOME="$home" USER="$user" "$boot" "$@"
