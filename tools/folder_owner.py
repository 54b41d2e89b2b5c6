# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""What ./x writes and another user, by an earlier ./x, has made: told before something fails in the middle of its work."""
import os
import pwd

MADE_BY_X = ("build", ".rowhouse")


class ForeignFolder(Exception):
    """Which file or folder may not be written, whose it is, and the ways out."""


def name_of(uid):
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def is_foreign(path):
    return not os.path.islink(path) and os.lstat(path).st_uid != os.geteuid() and not os.access(path, os.W_OK)


def find_foreign(path):
    """Where this user could not write: the path or something in it or, when it is not there, the folder that it would be made in."""
    while not os.path.lexists(path):
        path = os.path.dirname(path)
        if os.path.lexists(path):
            return path if is_foreign(path) else None
    if is_foreign(path):
        return path
    for where, folders, files in os.walk(path):
        for name in (*folders, *files):
            if is_foreign(os.path.join(where, name)):
                return os.path.join(where, name)
    return None


def check(root, *paths):
    """ForeignFolder when this user cannot write these paths of the checkout, with all that is in them."""
    if os.geteuid() == 0:
        return
    for found in filter(None, (find_foreign(os.path.join(root, path)) for path in paths)):
        whose, user, shown = name_of(os.lstat(found).st_uid), name_of(os.geteuid()), os.path.relpath(found, root)
        if shown == ".":
            raise ForeignFolder(f"this checkout, {root}, belongs to {whose}, and {user} may not write in it: work in a copy, or as {whose}")
        made = " ".join(name for name in MADE_BY_X if os.path.exists(os.path.join(root, name)))
        raise ForeignFolder(f"{shown} belongs to {whose}, and {user} may not write it: an earlier ./x ran as {whose}. One of these helps:\n"
                            f"   as root:   chown -R {user}: {made}      gives it to {user}\n"
                            f"   as {whose}:   ./x clean      removes it\n"
                            f"   go on as {whose}")
