#!/usr/bin/env bash
# Records the captures beside it: real servers (nginx, a Python shop behind it, dnsmasq) and real clients (curl, wrk, dig) in
# two network namespaces that it makes and removes. About four minutes. Needs root, nginx, dnsmasq, tcpdump, curl, wrk, dig.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
export TZ=UTC
started=()
cleanup() {
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  ip netns del remora-client 2>/dev/null || true
  ip netns del remora-server 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
ip netns add remora-server
ip netns add remora-client
ip link add veth-c netns remora-client type veth peer name veth-s netns remora-server
for side in client:c:2 server:s:1; do
  IFS=: read -r name letter host <<<"$side"
  ip -n "remora-$name" addr add "10.77.0.$host/24" dev "veth-$letter"
  ip -n "remora-$name" -6 addr add "fd77::$host/64" dev "veth-$letter" nodad
  ip -n "remora-$name" link set "veth-$letter" up
  ip -n "remora-$name" link set lo up
done
cat >"$work/nginx.conf" <<NGINX
daemon off; pid $work/nginx.pid; error_log $work/error.log; user root;
events { worker_connections 64; }
http {
  access_log off; gzip on; gzip_min_length 200; gzip_types text/css; keepalive_requests 1000;
  include /etc/nginx/mime.types;
  server { listen 10.77.0.1:80; listen [fd77::1]:80; root $work/www;
    location /api/ { proxy_pass http://127.0.0.1:9000; } }
}
NGINX
mkdir -p "$work/www"
for page in index about prices; do
  { echo "<html><title>$page</title><body>"; seq -f "<p>Paragraph %g of the page $page.</p>" 60; echo "</body></html>"; } >"$work/www/$page.html"
done
seq -f "p.c%g { margin: 4px }" 200 >"$work/www/style.css"
ip netns exec remora-server python3 "$here/shop.py" & started+=($!)
ip netns exec remora-server nginx -c "$work/nginx.conf" & started+=($!)
ip netns exec remora-server dnsmasq --keep-in-foreground --no-resolv --no-hosts --conf-file=/dev/null --pid-file="$work/dns.pid" \
  --listen-address=10.77.0.1,fd77::1 --bind-interfaces --local=/shop.test/ --address=/shop.test/10.77.0.1 --address=/shop.test/fd77::1 \
  --cname=www.shop.test,shop.test --host-record=shop.test,10.77.0.1,fd77::1 --txt-record=shop.test,"v=spf1 -all" \
  --mx-host=shop.test,mail.shop.test,10 --srv-host=_http._tcp.shop.test,shop.test,80 --no-daemon >/dev/null 2>&1 & started+=($!)
sleep 1
ip netns exec remora-client tcpdump -q -i veth-c -U -w "$work/shop.pcap" 'tcp or udp' 2>/dev/null & dump=$!; started+=($dump)
sleep 1
client() { ip netns exec remora-client "$@"; }
until_s=$((SECONDS + ${1:-200}))
round=0
while [ $SECONDS -lt $until_s ]; do
  round=$((round + 1))
  client dig +short +tries=1 +time=1 @10.77.0.1 shop.test A www.shop.test A shop.test MX >/dev/null || true
  client dig +short +tries=1 +time=1 @fd77::1 shop.test AAAA "missing$round.example" A >/dev/null || true
  [ $((round % 6)) -ne 0 ] || client dig +tcp +short +tries=1 +time=1 @10.77.0.1 shop.test TXT >/dev/null || true
  client curl -s --compressed -o /dev/null http://10.77.0.1/index.html -o /dev/null http://10.77.0.1/style.css
  client curl -s -g -o /dev/null "http://[fd77::1]/about.html" -o /dev/null "http://[fd77::1]/api/items/$round"
  client curl -s -o /dev/null "http://10.77.0.1/api/search?q=fish&page=$((round % 5))" -o /dev/null "http://10.77.0.1/api/items/$((round % 30))"
  client curl -s -o /dev/null -H 'Content-Type: application/json' -d "{\"item\": $round, \"count\": 2}" http://10.77.0.1/api/cart
  client curl -s -o /dev/null -H 'Content-Type: application/json' -d "{\"cart\": $round}" http://10.77.0.1/api/checkout
  [ $((round % 5)) -ne 0 ] || client curl -s -o /dev/null http://10.77.0.1/api/export -o /dev/null http://10.77.0.1/nowhere
  [ $((round % 20)) -ne 0 ] || client wrk -t1 -c4 -d2s "http://10.77.0.1/api/search?q=load" >/dev/null
  sleep 0.8
done
sleep 1
kill -INT $dump; wait $dump || true
gzip -9nc "$work/shop.pcap" >"$here/shop.pcap.gz"
ls -l "$here/shop.pcap.gz" "$work/shop.pcap"
