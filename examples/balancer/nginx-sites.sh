#!/bin/sh
# Writes the sites that are ready for each version into nginx's lists, once a second, and reloads nginx when a list
# changes. A site that is to be paused is left after a second or two: let the upgrade wait longer than that.
set -eu
lists=/etc/nginx/daybook
versions="1 2"
# Name of the site, its database, the service beside it.
sites="a 10.0.0.1:5432 10.0.0.1:8420
b 10.0.0.2:5432 10.0.0.2:8420"

list() {
    ready=$(printf '%s\n' "$sites" | while read -r site database service; do
        # -f: only an answer of 200 counts.
        curl -fs -o /dev/null --max-time 1 "http://$service/ready?site=$site&version=$1" && echo "server $database;"
    done) || true
    # nginx refuses an empty list; nobody listens there, so readers are refused at once.
    printf '%s\n' "${ready:-server 127.0.0.1:1;}"
}

mkdir -p "$lists"
while :; do
    changed=
    for version in $versions; do
        list "$version" > "$lists/sites_v$version.new"
        if cmp -s "$lists/sites_v$version.new" "$lists/sites_v$version.conf"; then continue; fi
        mv "$lists/sites_v$version.new" "$lists/sites_v$version.conf"
        changed=yes
    done
    # Started before nginx, it makes the first lists, and there is nothing to reload yet.
    [ -z "$changed" ] || nginx -s reload || true
    sleep 1
done
