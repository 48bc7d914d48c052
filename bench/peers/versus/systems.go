package main

import (
	"trunkline/bench/peers/rig"
	"trunkline/bench/peers/wire"
)

// system is one server with the client that it needs.
type system struct {
	kind    rig.Kind
	dialect wire.Dialect
	queues  bool // it keeps messages for those who are away
	variant bool // not compared for itself: a setting of another system, and measured only where the setting matters
}

// ours is the name of the system that the others are compared with.
const ours = "trunkline"

// systems are all that can be measured, in the order in which a round takes them.
func systems(program string) []system {
	line := func(title string, variant bool, args ...string) system {
		return system{kind: rig.Trunkline{Program: program, Title: title, Args: args}, dialect: wire.Trunkline{}, queues: true, variant: variant}
	}
	xmpp := func(disk bool) system {
		return system{kind: rig.Ejabberd{Disk: disk, User: wire.XMPPUser, Host: wire.XMPPHost, Pass: wire.XMPPPassword}, dialect: wire.XMPP{}, queues: true, variant: disk}
	}
	return []system{
		line(ours, false, "--ack", "memory", "--data", "off"),
		{kind: rig.Mosquitto{}, dialect: wire.MQTT{}, queues: true},
		{kind: rig.NATS{}, dialect: wire.NATS{}},
		xmpp(false),
		line(ours+"-one", true, "--ack", "memory", "--data", "off", "--loops", "1"),
		spoken(line(ours+"-taken", true, "--ack", "memory", "--data", "off"), wire.Trunkline{Taken: true}),
		spoken(line(ours+"-patient", true, "--ack", "memory", "--data", "off"), wire.Trunkline{Patient: true}),
		line(ours+"-data", true, "--ack", "memory"),
		line(ours+"-disk", true, "--ack", "disk"),
		xmpp(true),
	}
}

// spoken is a system with other clients.
func spoken(s system, d wire.Dialect) system {
	s.dialect = d
	return s
}
