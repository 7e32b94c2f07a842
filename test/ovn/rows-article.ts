/**
 * Ports of pods on ovn-kubernetes' secondary networks, as `ovn-nbctl find Logical_Switch_Port` shows them on a cluster of
 * work001 and work002, with the network-status of the same pods: word for word, so that what we take from them is theirs.
 */

export interface ArticlePod {
  readonly name: string
  readonly topology: 'layer3' | 'layer2' | 'localnet'
  readonly switchName: string
  /** As `ovn-nbctl` prints it. */
  readonly port: string
  readonly status: string
}

const status = (
  network: string,
  defaultIp: string,
  defaultMac: string,
  ip: string,
  mac: string,
): string => `[{
    "name": "ovn-kubernetes",
    "interface": "eth0",
    "ips": [
        "${defaultIp}"
    ],
    "mac": "${defaultMac}",
    "default": true,
    "dns": {}
},{
    "name": "kube-system/${network}",
    "interface": "eth1",
    "ips": [
        "${ip}"
    ],
    "mac": "${mac}",
    "dns": {}
}]`

export const ARTICLE: readonly ArticlePod[] = [
  {
    name: 'nginx1-l3',
    topology: 'layer3',
    switchName: 'l3.network_work001',
    port: `\
addresses           : ["0a:58:0a:21:02:03 10.33.2.3"]
external_ids        : {"k8s.ovn.org/nad"="kube-system/l3-network", "k8s.ovn.org/network"=l3-network, "k8s.ovn.org/topology"=layer3, namespace=default, pod="true"}
name                : kube.system.l3.network_default_nginx1-l3
options             : {iface-id-ver="a7fad855-9a37-4918-8aaa-b10627cdfe91", requested-chassis=work001}
port_security       : ["0a:58:0a:21:02:03 10.33.2.3"]
type                : ""`,
    status: status('l3-network', '10.124.1.7', '0a:58:0a:7c:01:07', '10.33.2.3', '0a:58:0a:21:02:03'),
  },
  {
    name: 'nginx1-l2',
    topology: 'layer2',
    switchName: 'l2.network_ovn_layer2_switch',
    port: `\
addresses           : ["0a:58:0a:16:00:01 10.22.0.1"]
external_ids        : {"k8s.ovn.org/nad"="kube-system/l2-network", "k8s.ovn.org/network"=l2-network, "k8s.ovn.org/topology"=layer2, namespace=default, pod="true"}
name                : kube.system.l2.network_default_nginx1-l2
options             : {iface-id-ver="f4bb6a91-019b-4612-b6aa-88fc663dd515", requested-chassis=work001}
port_security       : ["0a:58:0a:16:00:01 10.22.0.1"]
type                : ""`,
    status: status('l2-network', '10.124.1.8', '0a:58:0a:7c:01:08', '10.22.0.1', '0a:58:0a:16:00:01'),
  },
  {
    name: 'nginx2-l2',
    topology: 'layer2',
    switchName: 'l2.network_ovn_layer2_switch',
    port: `\
addresses           : ["0a:58:0a:16:00:02 10.22.0.2"]
external_ids        : {"k8s.ovn.org/nad"="kube-system/l2-network", "k8s.ovn.org/network"=l2-network, "k8s.ovn.org/topology"=layer2, namespace=default, pod="true"}
name                : kube.system.l2.network_default_nginx2-l2
options             : {iface-id-ver="56ffc5ab-b5eb-456e-b5cc-b77252c29ae3", requested-chassis=work002}
port_security       : ["0a:58:0a:16:00:02 10.22.0.2"]
type                : ""`,
    status: status('l2-network', '10.124.2.7', '0a:58:0a:7c:02:07', '10.22.0.2', '0a:58:0a:16:00:02'),
  },
  {
    name: 'nginx1-lo',
    topology: 'localnet',
    switchName: 'localnet.network_ovn_localnet_switch',
    port: `\
addresses           : ["0a:58:c0:a8:64:04 192.168.100.4"]
external_ids        : {"k8s.ovn.org/nad"="kube-system/localnet-network", "k8s.ovn.org/network"=localnet-network, "k8s.ovn.org/topology"=localnet, namespace=default, pod="true"}
name                : kube.system.localnet.network_default_nginx1-lo
options             : {iface-id-ver="1c22a591-3c56-4663-b9b2-983effab96b1", requested-chassis=work001}
port_security       : ["0a:58:c0:a8:64:04 192.168.100.4"]
type                : ""`,
    status: status(
      'localnet-network',
      '10.124.1.6',
      '0a:58:0a:7c:01:06',
      '192.168.100.4',
      '0a:58:c0:a8:64:04',
    ),
  },
  {
    name: 'nginx2-lo',
    topology: 'localnet',
    switchName: 'localnet.network_ovn_localnet_switch',
    port: `\
addresses           : ["0a:58:c0:a8:64:05 192.168.100.5"]
external_ids        : {"k8s.ovn.org/nad"="kube-system/localnet-network", "k8s.ovn.org/network"=localnet-network, "k8s.ovn.org/topology"=localnet, namespace=default, pod="true"}
name                : kube.system.localnet.network_default_nginx2-lo
options             : {iface-id-ver="daecc092-6d3e-4b22-a5aa-59eb6b430029", requested-chassis=work002}
port_security       : ["0a:58:c0:a8:64:05 192.168.100.5"]
type                : ""`,
    status: status(
      'localnet-network',
      '10.124.2.5',
      '0a:58:0a:7c:02:05',
      '192.168.100.5',
      '0a:58:c0:a8:64:05',
    ),
  },
]

/** The columns as `ovn-nbctl create` takes them: `COLUMN=VALUE`. */
export function columnsOf({ port }: ArticlePod): readonly string[] {
  return port.split('\n').map((line) => line.replace(/^(\w+) +: (.*)$/, '$1=$2'))
}

/** `a7fad855-…`, as the port has it. */
export function uidOf({ port }: ArticlePod): string {
  return /iface-id-ver="([^"]+)"/.exec(port)?.[1] ?? ''
}

export function portNameOf({ port }: ArticlePod): string {
  return /^name +: (.*)$/m.exec(port)?.[1] ?? ''
}

/** The MAC and IP addresses that the port has. */
export function addressesOf({ port }: ArticlePod): { readonly mac: string; readonly ip: string } {
  const [, mac = '', ip = ''] = /^addresses +: \["(\S+) (\S+)"\]$/m.exec(port) ?? []
  return { mac, ip }
}
