import { describe, expect, test } from 'vitest'
import { compileOptions, nodeName } from '../../../src/cli/cluster-options.ts'
import { FlagValues, LOGGING_FLAGS, RUN_FLAGS } from '../../../src/cli/flags.ts'

const SPECS = [...RUN_FLAGS, ...LOGGING_FLAGS]
const parse = (...args: readonly string[]): FlagValues => new FlagValues(SPECS, args, {})

describe('Go spellings', () => {
  test('one dash or two, with = or a blank', () => {
    for (const args of [
      ['--host-prefix=/h'],
      ['-host-prefix=/h'],
      ['--host-prefix', '/h'],
      ['-host-prefix', '/h'],
    ]) {
      expect(parse(...args).text('host-prefix')).toBe('/h')
    }
  })

  test('booleans stand alone or take =true and =false', () => {
    expect(parse('--accept-icmp').boolean('accept-icmp')).toBe(true)
    expect(parse('--accept-icmp=false').boolean('accept-icmp')).toBe(false)
    expect(parse('-accept-icmp=1').boolean('accept-icmp')).toBe(true)
    expect(parse().boolean('accept-icmp')).toBe(false)
  })

  test('a value may look like a flag, and may hold an equals sign', () => {
    expect(parse('--kubeconfig', '--odd').text('kubeconfig')).toBe('--odd')
    expect(parse('--kubeconfig=a=b').text('kubeconfig')).toBe('a=b')
  })

  test('verbosity as klog takes it', () => {
    for (const args of [['-v=4'], ['-v', '4'], ['-v4'], ['--v=4']])
      expect(parse(...args).number('v', 0)).toBe(4)
  })

  test('lists are comma separated and repeated', () => {
    expect(
      parse('--network-plugins=macvlan, ipvlan', '--network-plugins=sriov').list('network-plugins'),
    ).toEqual(['macvlan', 'ipvlan', 'sriov'])
  })

  test('the arguments of the DaemonSets in use are taken', () => {
    const flags = parse(
      '--host-prefix=/host',
      '--container-runtime-endpoint=/run/crio/crio.sock',
      '--network-plugins=macvlan,sriov,ipvlan,bond',
      '--hostname-override=node-1',
      '--logtostderr=true',
      '--zap-devel',
      '--sync-period=1',
    )
    expect(flags.ignored).toEqual(['logtostderr', 'zap-devel'])
    expect(flags.number('sync-period', 1)).toBe(1)
  })
})

describe('a wrong call is one line that says what was expected', () => {
  const wrong: readonly (readonly [string[], string])[] = [
    [['--network-plugin=x'], 'unknown flag --network-plugin; expected --network-plugins'],
    [['--frobnicate'], 'unknown flag --frobnicate; expected one of those that --help lists'],
    [['--kubeconfig'], 'flag --kubeconfig has no value; expected --kubeconfig=VALUE'],
    [['extra'], 'unexpected argument "extra"; expected only flags, --name=value'],
    [['--'], 'unexpected argument "--"; expected only flags, --name=value'],
  ]
  for (const [args, message] of wrong)
    test(args.join(' '), () => expect(() => parse(...args)).toThrow(message))

  test('bad values name the flag', () => {
    expect(() => parse('--sync-period=soon').number('sync-period', 1)).toThrow(
      '--sync-period: bad value "soon"',
    )
    expect(() => parse('--sync-period=0').number('sync-period', 1)).toThrow(
      'expected a whole number from 1 to',
    )
    expect(() => parse('--accept-icmp=maybe').boolean('accept-icmp')).toThrow('expected true or false')
    expect(() => compileOptions(parse('--backend=ebpf'), 'n')).toThrow('--backend: bad value "ebpf"')
    expect(() => compileOptions(parse('--allow-ipv6-src-prefix=10.0.0.0/8'), 'n')).toThrow(
      'expected an IPv6 CIDR',
    )
  })
})

describe('the environment', () => {
  test('gives what no flag gives', () => {
    const env = { MNPD_NETWORK_PLUGINS: 'bridge', MNPD_HOST_PREFIX: '/env' }
    const flags = new FlagValues(SPECS, ['--host-prefix=/flag'], env)
    expect(flags.list('network-plugins')).toEqual(['bridge'])
    expect(flags.text('host-prefix')).toBe('/flag')
  })

  test('names the node where no flag does, in lower case', () => {
    expect(nodeName(parse('--hostname-override= Node-1 '), { NODE_NAME: 'x' })).toBe('node-1')
    expect(nodeName(parse(), { NODE_NAME: 'A', K8S_NODE_NAME: 'b' })).toBe('a')
    expect(nodeName(parse(), { K8S_NODE_NAME: 'b' })).toBe('b')
  })
})
