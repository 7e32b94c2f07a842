/**
 * The CNI plugin of the gate (gate.ts): a POSIX shell script, since it runs on the node and not in our image. Chained
 * last in the runtime's own list of plugins, after multus, it waits until the daemon says that what is in the sandbox'
 * namespace is enforced; only then does the runtime go on to start processes.
 *
 *     { "cniVersion": "0.4.0", "name": "cluster", "plugins": [ { "type": "multus-shim" }, { "type": "mnpd-gate" } ] }
 *
 * It has to hand on the result of the plugins before it, which the specification of CNI puts under `prevResult`.
 */
import { chmod, mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export const GATE_PLUGIN = 'mnpd-gate'

export interface GatePluginOptions {
  /** Where plugin and daemon meet, as the node names it: `/run/multi-networkpolicyd`. */
  readonly directory: string
  readonly timeoutSeconds: number
  /** When the time is over: the pod starts ungoverned, or the sandbox fails and kubelet tries again. */
  readonly onTimeout: 'start' | 'fail'
}

/** Puts the plugin among the node's others, in place of an older one. @param binDirectory as this process opens it */
export async function installGatePlugin(binDirectory: string, options: GatePluginOptions): Promise<void> {
  const path = join(binDirectory, GATE_PLUGIN)
  await mkdir(binDirectory, { recursive: true })
  await writeFile(`${path}.new`, gatePlugin(options))
  await chmod(`${path}.new`, 0o755)
  await rename(`${path}.new`, path)
}

export function gatePlugin({ directory, timeoutSeconds, onTimeout }: GatePluginOptions): string {
  if (!/^\/[A-Za-z0-9/._-]+$/.test(directory)) throw new RangeError(`not a plain absolute path: ${directory}`)
  return SCRIPT.replace('@directory@', directory)
    .replace('@timeout@', String(Math.ceil(timeoutSeconds)))
    .replace('@on-timeout@', onTimeout)
}

const SCRIPT = String.raw`#!/bin/sh
# Waits on ADD until multi-networkpolicyd enforces what is in the sandbox' network namespace.
directory=@directory@
timeout=@timeout@
on_timeout=@on-timeout@
config=$(cat)

fail() {
  printf '{"cniVersion":"0.4.0","code":11,"msg":"%s"}\n' "$1"
  exit 1
}

previous_result() {
  printf '%s\n' "$config" | awk '
    { text = text $0 "\n" }
    END {
      start = index(text, "\"prevResult\":")
      if (start == 0) { print "{\"cniVersion\":\"0.4.0\"}"; exit }
      for (at = start + 13; at <= length(text); at++) {
        char = substr(text, at, 1)
        result = result char
        if (quoted) {
          if (escaped) escaped = 0
          else if (char == "\\") escaped = 1
          else if (char == "\"") quoted = 0
        } else if (char == "\"") quoted = 1
        else if (char == "{") depth++
        else if (char == "}" && --depth == 0) { print result; exit }
      }
      exit 1
    }'
}

case "$CNI_COMMAND" in
ADD) ;;
VERSION)
  echo '{"cniVersion":"1.0.0","supportedVersions":["0.3.0","0.3.1","0.4.0","1.0.0"]}'
  exit 0
  ;;
*) exit 0 ;;
esac

case "$CNI_CONTAINERID" in
'' | *[!A-Za-z0-9_.-]*) fail "a container id that is none" ;;
esac
request=$directory/$CNI_CONTAINERID
umask 077
mkdir -p "$directory" && rm -f "$request.answer" && mkfifo "$request.answer" || fail "no place at $directory"
trap 'rm -f "$request.answer" "$request.part" "$request.request"' EXIT
printf '%s\n' "$CNI_NETNS" "$CNI_ARGS" >"$request.part"
mv "$request.part" "$request.request"
answer=$(timeout "$timeout" head -n 1 "$request.answer")
[ "$answer" = enforced ] || [ "$on_timeout" = start ] ||
  fail "multi-networkpolicyd has not enforced the pod's policies within $timeout s"
previous_result
`
