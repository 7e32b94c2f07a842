/**
 * The CNI plugin of the gate (gate.ts): a POSIX shell script, since it runs on the node and not in our image. Chained
 * last in the runtime's own list of plugins, after multus, it waits until the daemon says that what is in the sandbox'
 * namespace is enforced; only then does the runtime go on to start processes.
 *
 *     { "cniVersion": "0.4.0", "name": "cluster", "plugins": [ { "type": "multus-shim" }, { "type": "mnpd-gate" } ] }
 *
 * It has to hand on the result of the plugins before it, which the specification of CNI puts under `prevResult`.
 */
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'

export const GATE_PLUGIN = 'mnpd-gate'

/** Tells ours from a program of somebody else's under the same name. */
const MARK = '# mnpd-gate of multi-networkpolicyd'

export interface GatePluginOptions {
  /** Where plugin and daemon meet, as the node names it: `/run/multi-networkpolicyd`. */
  readonly directory: string
  readonly timeoutSeconds: number
  /** When the time is over: the pod starts ungoverned, or the sandbox fails and kubelet tries again. */
  readonly onTimeout: 'fail' | 'start'
}

/**
 * Puts the plugin among the node's others, in place of an older one, in one step: a sandbox that is made meanwhile runs
 * the old one or the new.
 * @param binDirectory as this process opens it
 * @throws where it cannot be written, or a program of that name is there that is not ours
 */
export async function installGatePlugin(
  binDirectory: string,
  options: GatePluginOptions,
): Promise<'installed' | 'up to date'> {
  const path = join(binDirectory, GATE_PLUGIN)
  const wanted = gatePlugin(options)
  await mkdir(binDirectory, { recursive: true })
  const found = await readIfThere(path)
  if (found === wanted) return 'up to date'
  if (found !== undefined && !isOurs(found)) throw new Error(`${path} is there already, and is not ours`)
  await replaceFile(path, wanted, 0o755)
  return 'installed'
}

/** @returns what was there; `foreign` is left alone */
export async function removeGatePlugin(binDirectory: string): Promise<'removed' | 'absent' | 'foreign'> {
  const path = join(binDirectory, GATE_PLUGIN)
  const found = await readIfThere(path)
  if (found === undefined) return 'absent'
  if (!isOurs(found)) return 'foreign'
  await rm(path, { force: true })
  return 'removed'
}

/** Whether the plugin is there and ours. */
export async function hasGatePlugin(binDirectory: string): Promise<boolean> {
  const found = await readIfThere(join(binDirectory, GATE_PLUGIN))
  return found !== undefined && isOurs(found)
}

function isOurs(program: string): boolean {
  return program.split('\n', 2)[1]?.startsWith(MARK) === true
}

/** @returns undefined where there is no such file. @throws where it cannot be read */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** All of the new content under the name or all of the old, a crash of the node included. */
export async function replaceFile(path: string, content: string, mode: number): Promise<void> {
  // No program of CNI and no configuration has such a name.
  const beside = `${path}.mnpd-new`
  await rm(beside, { force: true })
  try {
    await using file = await open(beside, 'wx', mode)
    await file.writeFile(content)
    // Less what the umask took.
    await file.chmod(mode)
    await file.sync()
    await rename(beside, path)
  } catch (error) {
    await rm(beside, { force: true })
    throw error
  }
  await using directory = await open(dirname(path))
  await directory.sync()
}

export function gatePlugin({ directory, timeoutSeconds, onTimeout }: GatePluginOptions): string {
  if (!isPlainPath(directory)) throw new RangeError(`not a plain absolute path: ${directory}`)
  return SCRIPT.replace('@directory@', directory)
    .replace('@timeout@', String(Math.ceil(timeoutSeconds)))
    .replace('@on-timeout@', onTimeout)
}

/** What a shell reads as one word as it is. */
export function isPlainPath(path: string): boolean {
  return /^\/[A-Za-z0-9/._-]+$/.test(path)
}

const SCRIPT = String.raw`#!/bin/sh
${MARK}, which puts it here when it starts and replaces what is changed.
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
  echo '{"cniVersion":"1.0.0","supportedVersions":["0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}'
  exit 0
  ;;
*) exit 0 ;;
esac

case "$CNI_CONTAINERID" in
'' | *[!A-Za-z0-9_.-]*) fail "a container id that is none" ;;
esac
# Nothing governs a pod with the cluster's network alone: it starts, whether the daemon is there or not.
if links=$(nsenter --net="$CNI_NETNS" cat /proc/self/net/dev 2>/dev/null); then
  printf '%s\n' "$links" | awk -v own="$CNI_IFNAME" '
    NR > 2 { sub(/^ +/, ""); sub(/: .*/, ""); if ($0 != "lo" && $0 != own) found = 1 }
    END { exit !found }' || { previous_result; exit; }
fi

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
