/**
 * A pod's network namespace by its processes: the kubelet gives each pod a control group that carries its UID, the
 * kernel keeps every process of the pod in it, and no tenant can leave it. The eldest process is the sandbox', or, where
 * the runtime has none, the first container's.
 *
 *     11:memory:/kubepods/burstable/pod8b3c…/3f0a…
 *     0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod8b3c_….slice/cri-containerd-3f0a….scope
 *
 * Groups below the pod's own may have been made by the pod: of several such parts in a path the outermost counts.
 *
 * A process can end, and its number be another pod's, between two looks. So what was opened counts only if its process is
 * still the one that was found.
 */
import { readdir, readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import type { HostView } from './cri-host.ts'
import { type OpenNetns, openNetns } from './open-netns.ts'

interface Process {
  /** Its directory in proc. */
  readonly path: string
  readonly pid: number
  /** See `startTime`. */
  readonly start: number
}

/**
 * Opens the namespace of the pod's eldest process.
 * @returns undefined where the pod has none, or one that may not be written to. Never rejects.
 */
export async function openNetnsOfProcesses(uid: string, view: HostView): Promise<OpenNetns | undefined> {
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const eldest = await eldestProcess(uid, view)
    const located = eldest && (await openNetns(`${eldest.path}/ns/net`, view))
    if (eldest === undefined || located?.kind !== 'found') return undefined
    const now = await processOf(uid, eldest.path)
    if (now?.start === eldest.start) return located.netns
    await located.netns[Symbol.asyncDispose]()
  }
  return undefined
}

/** Whose process ended meanwhile may have others. */
const MOST_TRIES = 3

async function eldestProcess(uid: string, view: HostView): Promise<Process | undefined> {
  const proc = await view.resolve('/proc')
  const names = await readdir(proc).catch(() => [])
  const numbers = names.filter((name) => /^[0-9]+$/.test(name))
  const found = await Promise.all(numbers.map((pid) => processOf(uid, `${proc}/${pid}`)))
  const [eldest] = found
    .filter((each) => each !== undefined)
    .sort((a, b) => a.start - b.start || a.pid - b.pid)
  return eldest
}

/** The process in that directory, if it is one of the pod's. */
async function processOf(uid: string, path: string): Promise<Process | undefined> {
  if (podOf(await read(`${path}/cgroup`)) !== uid) return undefined
  const start = startTime(await read(`${path}/stat`))
  return start === undefined ? undefined : { path, pid: Number(basename(path)), start }
}

/** The UID as the API spells it; systemd's slices have `_` for `-`. */
export function podOf(cgroup: string): string | undefined {
  const uid = /(?:\/|-)pod([0-9A-Za-z_-]+?)(?:\.slice)?(?:\/|$)/m.exec(cgroup)?.[1]
  return uid?.replaceAll('_', '-')
}

/** Field 22 of proc(5), in ticks since the machine started; the second field may hold anything, up to the last `)`. */
function startTime(stat: string): number | undefined {
  const start = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
  return Number.isFinite(start) && stat !== '' ? start : undefined
}

async function read(path: string): Promise<string> {
  return await readFile(path, 'latin1').catch(() => '')
}
