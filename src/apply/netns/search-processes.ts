/**
 * A pod's network namespace by its processes: the kubelet gives each pod a control group that carries its UID, the
 * kernel keeps every process of the pod in it, and no tenant can leave it. The eldest process is the sandbox', or, where
 * the runtime has none, the first container's.
 *
 *     11:memory:/kubepods/burstable/pod8b3c…/3f0a…
 *     0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod8b3c_….slice/cri-containerd-3f0a….scope
 *
 * Groups below the pod's own may have been made by the pod: of several such parts in a path the outermost counts.
 */
import { readdir, readFile } from 'node:fs/promises'
import type { HostView } from './cri-host.ts'

/** @returns the path of the namespace of the pod's eldest process, undefined where it has none. Never rejects. */
export async function netnsOfProcesses(uid: string, view: HostView): Promise<string | undefined> {
  const proc = await view.resolve('/proc')
  const names = await readdir(proc).catch(() => [])
  const found = await Promise.all(
    names
      .filter((name) => /^[0-9]+$/.test(name))
      .map(async (pid) => {
        if (podOf(await read(`${proc}/${pid}/cgroup`)) !== uid) return undefined
        const start = startTime(await read(`${proc}/${pid}/stat`))
        return start === undefined ? undefined : { pid, start }
      }),
  )
  const [eldest] = found
    .filter((each) => each !== undefined)
    .sort((a, b) => a.start - b.start || Number(a.pid) - Number(b.pid))
  return eldest && `${proc}/${eldest.pid}/ns/net`
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
