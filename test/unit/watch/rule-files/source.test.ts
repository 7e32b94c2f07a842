/** Rule files on a real file system, where no tool is needed yet: what cannot be read, and what is refused at sight. */
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../../../src/clock.ts'
import { NO_CUSTOM_RULES, type RuleFile } from '../../../../src/compile/custom/rules.ts'
import { describeIssue } from '../../../../src/issue-log.ts'
import { UsageError } from '../../../../src/usage-error.ts'
import { readRuleFiles, watchRuleFiles } from '../../../../src/watch/rule-files/source.ts'

let directory: string
let stop: AbortController

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rule-files-'))
  stop = new AbortController()
})
afterEach(async () => {
  stop.abort()
  await rm(directory, { recursive: true, force: true })
})

const at = (name: string): string => join(directory, name)
const ingress = (name: string): RuleFile => ({ direction: 'ingress', family: 4, path: at(name) })
const options = (...files: readonly RuleFile[]) => ({
  files,
  backend: 'nftables' as const,
  clock: systemClock,
  signal: stop.signal,
})

test('no file: no rules, and the end', async () => {
  const states = watchRuleFiles(options())
  expect(await states.next()).toEqual({ done: false, value: { rules: NO_CUSTOM_RULES, issues: [] } })
  expect(await states.next()).toEqual({ done: true, value: undefined })
})

test('a file of comments holds no rules', async () => {
  await writeFile(at('a'), '# nothing\n\n   # yet\n')
  expect(await readRuleFiles(options(ingress('a')))).toEqual({ rules: NO_CUSTOM_RULES, issues: [] })
})

test('a file that is missing at the start is wrong usage, and the flags are named', async () => {
  const both: readonly RuleFile[] = [ingress('gone'), { ...ingress('gone'), direction: 'egress' }]
  const reading = readRuleFiles(options(...both))
  await expect(reading).rejects.toThrow(UsageError)
  await expect(reading).rejects.toThrow(
    /^--custom-v4-ingress-rule-file and --custom-v4-egress-rule-file: '.*\/gone' cannot be read: ENOENT.*; expected a file of rules, one a line$/,
  )
  await expect(watchRuleFiles(options(...both)).next()).rejects.toThrow(UsageError)
})

test('a directory, a pipe and a device are no rule files, and are not waited for', async () => {
  execFileSync('mkfifo', [at('pipe')])
  for (const path of [directory, at('pipe'), '/dev/zero'])
    await expect(readRuleFiles(options({ ...ingress(''), path }))).rejects.toThrow('is no regular file')
})

test.each<readonly [string, string | Buffer, string]>([
  ['1 MiB of anything', Buffer.alloc(1024 * 1024, 'x'), 'is larger than 262144 bytes'],
  ['10,000 rules', '-j ACCEPT\n'.repeat(10_000), 'holds more than 500 rules'],
])('%s is refused whole, at once', async (_, content, reason) => {
  await writeFile(at('a'), content)
  const began = performance.now()
  const { rules, issues } = await readRuleFiles(options(ingress('a')))
  expect(rules).toEqual(NO_CUSTOM_RULES)
  expect(issues).toEqual([
    { object: { kind: 'File', name: at('a') }, field: '', reason: `${reason}; the file counts as empty` },
  ])
  expect(performance.now() - began).toBeLessThan(2_000)
})

test('each bad line is an Issue, up to 20 of them', async () => {
  await writeFile(at('a'), `# first\n-t nat\n${'jump x\n'.repeat(30)}`)
  const { issues } = await readRuleFiles(options(ingress('a')))
  expect(issues).toHaveLength(21)
  expect(issues[0]).toEqual({
    object: { kind: 'File', name: at('a') },
    field: 'line 2',
    value: '-t nat',
    reason: "'-t' names a table; rules of a file stand in the filter of the pod; the file counts as empty",
  })
  expect(issues[20]).toMatchObject({
    field: '',
    reason: expect.stringContaining('more of its lines are refused'),
  })
  expect(issues.map(describeIssue).join()).toContain('line 3')
})

test('random bytes are refused', async () => {
  await writeFile(at('a'), Buffer.from(Array.from({ length: 50_000 }, (_, n) => (n * 7919) % 256)))
  const { rules, issues } = await readRuleFiles(options(ingress('a')))
  expect(rules).toEqual(NO_CUSTOM_RULES)
  expect(issues.length).toBeGreaterThan(0)
  for (const { value = '' } of issues) expect(value).toMatch(/^[\x20-\x7e]{0,100}$/)
})

test('a file that is mended and one that vanishes are told; what is not new is not', async () => {
  await writeFile(at('a'), 'jump x\n')
  const states = watchRuleFiles(options(ingress('a')))
  const next = async () => (await states.next()).value
  expect(await next()).toMatchObject({ issues: [{ field: 'line 1' }] })
  await writeFile(at('a'), '# better\n')
  expect(await next()).toEqual({ rules: NO_CUSTOM_RULES, issues: [] })
  await writeFile(at('a'), '# as good\n')
  await rm(at('a'))
  expect(await next()).toMatchObject({
    issues: [{ field: '', reason: expect.stringMatching(/ENOENT.*; its last good version stays in force$/) }],
  })
})

test('the end comes with the signal', async () => {
  await writeFile(at('a'), '')
  const states = watchRuleFiles(options(ingress('a')))
  await states.next()
  const end = states.next()
  stop.abort()
  expect(await end).toEqual({ done: true, value: undefined })
})
