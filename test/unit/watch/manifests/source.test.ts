/** The manifests directory on a real file system, edited the ways people edit. */
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../../src/clock.ts'
import { Cluster } from '../../../../src/compile/cluster.ts'
import { describeIssue } from '../../../../src/issue-log.ts'
import { watchManifests } from '../../../../src/watch/manifests/source.ts'

let directory: string
let stop: AbortController

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'manifests-'))
  stop = new AbortController()
})
afterEach(async () => {
  stop.abort()
  await rm(directory, { recursive: true, force: true })
})

const pod = (name: string, label = 'x'): string =>
  `{kind: Pod, apiVersion: v1, metadata: {name: ${name}, namespace: a, labels: {l: ${label}}}}\n`
const write = (name: string, text: string): Promise<void> => writeFile(join(directory, name), text)

/** Follows the directory; `until` resolves with what is known once the condition holds. */
function follow(): { until(condition: (state: State) => boolean): Promise<State> } {
  const cluster = new Cluster()
  const source = watchManifests({ directory, node: 'n1', clock: systemClock, signal: stop.signal })[
    Symbol.asyncIterator
  ]()
  let issues: readonly string[] = []
  const state = (): State => ({
    pods: [...cluster.pods.values()].map(({ name, labels }) => `${name} ${labels.get('l')}`).sort(),
    issues,
  })
  return {
    async until(condition) {
      while (!condition(state())) {
        const { value: events, done } = await source.next()
        if (done) throw new Error('the source ended')
        for (const event of events) {
          if (event.kind === 'issues') issues = event.issues.map(describeIssue)
          else if (event.kind !== 'failing' && event.kind !== 'recovered') cluster.apply(event)
        }
      }
      return state()
    },
  }
}

interface State {
  readonly pods: readonly string[]
  readonly issues: readonly string[]
}

describe('the manifests directory', () => {
  test('is read whole at the start: documents, lists, JSON; other kinds and files are left alone', async () => {
    await write(
      'a.yaml',
      `${pod('one')}---\n${pod('two')}---\n{kind: ConfigMap, apiVersion: v1, metadata: {name: c}}\n`,
    )
    await write(
      'b.json',
      JSON.stringify({ kind: 'PodList', apiVersion: 'v1', items: [{ metadata: { name: 'three' } }] }),
    )
    await write('notes.txt', 'kind: Pod')
    await write('.hidden.yaml', pod('hidden'))
    const { pods, issues } = await follow().until((state) => state.pods.length > 0)
    expect(pods).toEqual(['one x', 'three undefined', 'two x'])
    expect(issues).toEqual([])
  })

  test('an object of the same kind in another API group is not ours', async () => {
    await write(
      'a.yaml',
      `${pod('one')}---\n{kind: Pod, apiVersion: other.example/v1, metadata: {name: two}}\n`,
    )
    expect((await follow().until((state) => state.pods.length > 0)).pods).toEqual(['one x'])
  })

  test('follows edits in place, files moved over others, new files and deleted ones', async () => {
    await write('a.yaml', pod('one'))
    const directoryState = follow()
    await directoryState.until(({ pods }) => pods.join() === 'one x')
    await write('a.yaml', pod('one', 'y'))
    await directoryState.until(({ pods }) => pods.join() === 'one y')
    await write('.a.tmp', pod('one', 'z'))
    await rename(join(directory, '.a.tmp'), join(directory, 'a.yaml'))
    await directoryState.until(({ pods }) => pods.join() === 'one z')
    await write('b.yaml', pod('two'))
    await directoryState.until(({ pods }) => pods.join() === 'one z,two x')
    await unlink(join(directory, 'a.yaml'))
    await directoryState.until(({ pods }) => pods.join() === 'two x')
  })

  test('follows the symlink swap of a mounted ConfigMap', async () => {
    for (const [version, label] of [
      ['..1', 'old'],
      ['..2', 'new'],
    ] as const) {
      await mkdir(join(directory, version))
      await write(`${version}/a.yaml`, pod('one', label))
    }
    await symlink('..1', join(directory, '..data'))
    await symlink('..data/a.yaml', join(directory, 'a.yaml'))
    const directoryState = follow()
    await directoryState.until(({ pods }) => pods.join() === 'one old')
    await symlink('..2', join(directory, '..data_tmp'))
    await rename(join(directory, '..data_tmp'), join(directory, '..data'))
    await directoryState.until(({ pods }) => pods.join() === 'one new')
  })

  test('a file that breaks keeps its last good content, says why, and heals', async () => {
    await write('a.yaml', pod('one'))
    const directoryState = follow()
    await directoryState.until(({ pods }) => pods.join() === 'one x')
    await write('a.yaml', 'kind: {Pod')
    const broken = await directoryState.until(({ issues }) => issues.length > 0)
    expect(broken.pods).toEqual(['one x'])
    expect(broken.issues[0]).toContain('a.yaml: does not parse, its last good content stays in force: ')
    await write('a.yaml', pod('one', 'y'))
    expect((await directoryState.until(({ issues }) => issues.length === 0)).pods).toEqual(['one y'])
  })

  test('a file that is empty for a moment while it is written takes nothing away', async () => {
    await write('a.yaml', pod('one'))
    const directoryState = follow()
    await directoryState.until(({ pods }) => pods.length === 1)
    const writing = (async () => {
      for (let time = 0; time < 40; time += 1) {
        await write('a.yaml', '')
        await write('a.yaml', pod('one', `v${time}`))
        await setTimeout(5)
      }
    })()
    const seen: (readonly string[])[] = []
    await directoryState.until(({ pods }) => {
      seen.push(pods)
      return pods.join() === 'one v39'
    })
    await writing
    expect(seen.filter((pods) => pods.length !== 1)).toEqual([])
  })

  test('an object that two files hold is the first one, with an Issue', async () => {
    await write('b.yaml', pod('one', 'b'))
    await write('a.yaml', pod('one', 'a'))
    const { pods, issues } = await follow().until((state) => state.issues.length > 0)
    expect(pods).toEqual(['one a'])
    expect(issues[0]).toMatch(/^Pod a\/one: .*b\.yaml defines it again; the one of .*a\.yaml stands$/)
  })

  test('a directory that goes away takes nothing with it, and heals', async () => {
    await write('a.yaml', pod('one'))
    const directoryState = follow()
    await directoryState.until(({ pods }) => pods.length === 1)
    await rename(directory, `${directory}-gone`)
    const lost = await directoryState.until(({ issues }) => issues.length > 0)
    expect(lost.pods).toEqual(['one x'])
    expect(lost.issues[0]).toContain('cannot be read, what it held stays in force')
    await rename(`${directory}-gone`, directory)
    await write('b.yaml', pod('two'))
    expect((await directoryState.until(({ issues }) => issues.length === 0)).pods).toContain('one x')
    await directoryState.until(({ pods }) => pods.length === 2)
  })

  test('a file that is emptied, or left with comments only, keeps what it held, with an Issue', async () => {
    await write('a.yaml', pod('one'))
    const directoryState = follow()
    await directoryState.until(({ pods }) => pods.length === 1)
    await write('a.yaml', '# nothing\n')
    const { pods, issues } = await directoryState.until((state) => state.issues.length > 0)
    expect(pods).toEqual(['one x'])
    expect(issues[0]).toContain(
      'a.yaml: holds nothing; what it held stays in force until the file is removed',
    )
  })

  test('a document that is written later than the first takes nothing away meanwhile', async () => {
    await write('a.yaml', `${pod('one')}---\n${pod('two')}`)
    const directoryState = follow()
    const seen: number[] = []
    await directoryState.until(({ pods }) => pods.length === 2)
    const writing = (async () => {
      await write('a.yaml', pod('one', 'y'))
      await setTimeout(150)
      await write('a.yaml', `${pod('one', 'y')}---\n${pod('two', 'y')}`)
    })()
    await directoryState.until(({ pods }) => {
      seen.push(pods.length)
      return pods.join() === 'one y,two y'
    })
    await writing
    expect(new Set(seen)).toEqual(new Set([2]))
  })

  test('merge keys are read as kubectl reads them', async () => {
    await write(
      'a.yaml',
      `kind: Pod\napiVersion: v1\nmetadata: &m {name: one, namespace: a, labels: {l: x}}\n---\n${pod('two')}`,
    )
    await write(
      'b.yaml',
      'kind: Pod\napiVersion: v1\nbase: &b {name: three, labels: {l: z}}\nmetadata: {<<: *b, namespace: a}\n',
    )
    const { pods } = await follow().until((state) => state.pods.length > 0)
    expect(pods).toEqual(['one x', 'three z', 'two x'])
  })

  test('an annotation nested beyond the stack, and a policy of the wrong group, are Issues and take nothing with them', async () => {
    const ips = `${'['.repeat(50_000)}${']'.repeat(50_000)}`
    const status = JSON.stringify(`[{"name": "n", "interface": "net1", "ips": ${ips}}]`)
    const policy =
      '{"kind": "MultiNetworkPolicy", "apiVersion": "networking.k8s.io/v1", "metadata": {"name": "p"}}'
    await write(
      'a.json',
      `{"kind": "List", "apiVersion": "v1", "items": [${policy}, {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "deep", "namespace": "a", "annotations": {"k8s.v1.cni.cncf.io/network-status": ${status}}}}, ${pod(
        'one',
      )
        .replaceAll(/([{ ])(\w+):/g, '$1"$2":')
        .replaceAll(/: (\w+)/g, ': "$1"')}]}`,
    )
    const { pods, issues } = await follow().until((state) => state.issues.length > 0)
    expect(pods).toEqual(['deep undefined', 'one x'])
    expect(issues.join('\n')).toContain('expected apiVersion k8s.cni.cncf.io/… for kind MultiNetworkPolicy')
  })

  test('a bomb of aliases and duplicate keys are files that do not parse', async () => {
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefgh'
      .split('')
      .map((key, index) => `${key}: &${key} [${Array(9).fill(`*${'abcdefg'[index]}`).join(',')}]`)
      .join('\n')}\n`
    await write('bomb.yaml', bomb)
    await write('twice.yaml', 'kind: Pod\nkind: Namespace\n')
    await write('good.yaml', pod('one'))
    const { pods, issues } = await follow().until((state) => state.issues.length > 0)
    expect(pods).toEqual(['one x'])
    expect(issues.map((issue) => issue.replace(/.*\/(\w+\.yaml)/, '$1').split(':')[0])).toEqual([
      'bomb.yaml',
      'twice.yaml',
    ])
  })
})
