/**
 * The parts of OVN_Northbound (ovn-nb(5)) that one needs to put ACLs on logical switch ports. `tier` came with
 * 23.06, and `label` and `options` are younger than the table too.
 */

export const OVN_NORTHBOUND = {
  name: 'OVN_Northbound',
  tables: {
    NB_Global: {
      name: 'string',
      nb_cfg: 'integer',
      sb_cfg: 'integer',
      hv_cfg: 'integer',
      options: 'map of string to string',
      external_ids: 'map of string to string',
    },
    Logical_Switch: {
      name: 'string',
      ports: 'set of uuid',
      acls: 'set of uuid',
      other_config: 'map of string to string',
      external_ids: 'map of string to string',
    },
    Logical_Switch_Port: {
      name: 'string',
      type: 'string',
      addresses: 'set of string',
      dynamic_addresses: 'optional string',
      port_security: 'set of string',
      enabled: 'optional boolean',
      up: 'optional boolean',
      options: 'map of string to string',
      external_ids: 'map of string to string',
    },
    Logical_Router_Port: {
      name: 'string',
      mac: 'string',
      networks: 'set of string',
      external_ids: 'map of string to string',
    },
    Port_Group: {
      name: 'string',
      ports: 'set of uuid',
      acls: 'set of uuid',
      external_ids: 'map of string to string',
    },
    Address_Set: {
      name: 'string',
      addresses: 'set of string',
      external_ids: 'map of string to string',
    },
    ACL: {
      name: 'optional string',
      priority: 'integer',
      direction: 'string',
      match: 'string',
      action: 'string',
      log: 'boolean',
      severity: 'optional string',
      meter: 'optional string',
      label: { ifPresent: 'integer' },
      options: { ifPresent: 'map of string to string' },
      tier: { ifPresent: 'integer' },
      external_ids: 'map of string to string',
    },
  },
} as const
