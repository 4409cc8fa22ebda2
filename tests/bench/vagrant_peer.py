"""The same guest under Vagrant with vagrant-libvirt (Debian's packages): its driver qemu, a direct kernel boot.

Its box is the disk of a sandbox after its first start, user and keys included, with DHCP instead of the sandbox's address: Vagrant
looks for its guests in the leases of libvirt's network. That is defined before, as Vagrant would do it, but with an address
that is known, so that the guest can be looked for from the command's beginning on.
"""

import json
import re
import shutil
import subprocess
import time

from real_guest import POOL, VIRSH

GUEST, MAC = "192.168.121.50", "52:54:00:6d:67:50"
NETWORK = f"""
<network>
  <name>vagrant-libvirt</name>
  <forward mode='nat'/>
  <bridge name='peer0' stp='off'/>
  <ip address='192.168.121.1' netmask='255.255.255.0'>
    <dhcp><range start='192.168.121.50' end='192.168.121.50'/><host mac='{MAC}' ip='{GUEST}'/></dhcp>
  </ip>
</network>
"""
DHCP = "[Match]\nName=eth0\n[Network]\nDHCP=ipv4\n[DHCPv4]\nClientIdentifier=mac\n"
VAGRANTFILE = """
Vagrant.configure("2") do |config|
  config.vm.box = "peer"
  config.vm.box_check_update = false
  config.vm.synced_folder ".", "/vagrant", disabled: true
  config.ssh.username = "migrant"
  config.ssh.private_key_path = "/home/dev/.ssh/migrant"
  config.ssh.insert_key = false
  config.vm.provider :libvirt do |libvirt|
    libvirt.driver = "%(driver)s"
    libvirt.cpus = 1
    libvirt.memory = 768
    libvirt.graphics_type = "none"
    libvirt.kernel = "%(kernel)s"
    libvirt.initrd = "%(initrd)s"
    libvirt.cmd_line = "%(cmdline)s"
    libvirt.management_network_mac = "%(mac)s"
    libvirt.management_network_keep = true
  end
end
"""
DIRECTORY = "/home/dev/peer"
ENVIRONMENT = {"VAGRANT_DEFAULT_PROVIDER": "libvirt", "VAGRANT_CHECKPOINT_DISABLE": "1", "VAGRANT_NO_COLOR": "1"}


def is_there():
    return shutil.which("vagrant") is not None and subprocess.run(
        ["dpkg", "-s", "vagrant-libvirt"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def with_dhcp(image):
    """Changes the guest's own file system: it asks for its address."""
    mounted = image.parent / "mounted"
    mounted.mkdir()
    subprocess.run(["mount", "-o", "loop", image, mounted], check=True)
    try:
        (mounted / "etc/systemd/network/10-migrant.link").unlink(missing_ok=True)
        (mounted / "etc/systemd/network/10-migrant.network").write_text(DHCP)
    finally:
        subprocess.run(["umount", mounted], check=True)
        mounted.rmdir()


class Vagrant:
    def __init__(self, lab):
        self.lab = lab

    def make(self, definition):
        """The box from the frozen disk of a (halted) sandbox, given its domain's XML; one start, for what is done once."""
        lab, scratch = self.lab, self.lab.base / "peer"
        scratch.mkdir()
        layer = re.search(r'name="up" layer="(.*?)"', definition).group(1)
        facts = {name: re.search(f"<{name}>(.*?)</{name}>", definition).group(1) for name in ("kernel", "initrd", "cmdline")}
        for name in ("kernel", "initrd"):
            lab.host.run("cp", facts[name], f"{POOL}/../peer-{name}")
            facts[name] = f"/var/lib/libvirt/images/peer-{name}"
        lab.host.run("qemu-img", "convert", "-O", "raw", f"{POOL}/{layer}", scratch / "raw")
        size = (scratch / "raw").stat().st_size
        with_dhcp(scratch / "raw")
        subprocess.run(["qemu-img", "convert", "-O", "qcow2", scratch / "raw", scratch / "box.img"], check=True)
        (scratch / "raw").unlink()
        (scratch / "metadata.json").write_text(json.dumps(
            {"provider": "libvirt", "format": "qcow2", "virtual_size": -(-size // (1 << 30))}))
        (scratch / "Vagrantfile").write_text('Vagrant.configure("2") { |config| }\n')
        subprocess.run(["tar", "-C", scratch, "-cf", scratch / "peer.box", "metadata.json", "Vagrantfile", "box.img"], check=True)
        lab.host.run(*VIRSH, "net-define", "/dev/stdin", input=NETWORK)
        lab.host.run(*VIRSH, "net-start", "vagrant-libvirt")
        facts |= {"driver": "qemu" if "type='qemu'" in definition else "kvm", "mac": MAC}
        lab.host.run("mkdir", DIRECTORY, user="dev")
        lab.host.run("tee", f"{DIRECTORY}/Vagrantfile", user="dev", input=VAGRANTFILE % facts)
        self.run("box", "add", "--name", "peer", scratch / "peer.box")
        shutil.rmtree(scratch)
        self.run("up")
        self.run("destroy", "-f")

    def run(self, *argv):
        """Seconds that the command took."""
        start = time.monotonic()
        self.lab.host.run("vagrant", *argv, user="dev", cwd=DIRECTORY, env=ENVIRONMENT, timeout=1800)
        return time.monotonic() - start
