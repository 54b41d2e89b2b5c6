// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What server/meta/remote_meta_store.h and server/rpc/checkpoint_step.h make of gRPC, over the simulated
// network: the meta store of the owner of partition 0, the other servers as peers and as members of a
// checkpoint. The same messages, deadlines and errors. Thread-safe; calls block.

#include <memory>

#include "server/checkpoint/checkpoint_member.h"
#include "server/meta/meta_store.h"
#include "server/meta/peers.h"
#include "tests/sim/sim_network.h"

namespace rowhouse::sim {

std::unique_ptr<server::MetaStore> MakeSimMetaStore(SimNetwork* network, std::shared_ptr<Machine> self,
                                                    MachineId owner, ClusterId cluster);
// All servers but `self`.
std::unique_ptr<server::Peers> MakeSimPeers(SimNetwork* network, std::shared_ptr<Machine> self,
                                            uint32_t servers, ClusterId cluster);
std::unique_ptr<server::CheckpointMember> MakeSimMember(SimNetwork* network, std::shared_ptr<Machine> self,
                                                        MachineId server, ClusterId cluster);

}  // namespace rowhouse::sim
