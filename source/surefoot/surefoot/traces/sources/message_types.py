"""Message definitions that ROS 2 itself does not ship, for bags that do not carry their own.

Sources: unitree_ros2 (cyclonedds_ws/src/unitree/unitree_go and unitree_hg, msg/*.msg), layouts as in the SDK's IDL;
vicon_receiver (Vicon's ROS 2 driver, msg/Position.msg).
"""

_IMU = """
float32[4] quaternion
float32[3] gyroscope
float32[3] accelerometer
float32[3] rpy
"""

_GO = {
    "IMUState": _IMU + "int8 temperature",
    "BmsState": """
uint8 version_high
uint8 version_low
uint8 status
uint8 soc
int32 current
uint16 cycle
int8[2] bq_ntc
int8[2] mcu_ntc
uint16[15] cell_vol
""",
    "BmsCmd": "uint8 off\nuint8[3] reserve",
    "MotorState": """
uint8 mode
float32 q
float32 dq
float32 ddq
float32 tau_est
float32 q_raw
float32 dq_raw
float32 ddq_raw
int8 temperature
uint32 lost
uint32[2] reserve
""",
    "MotorCmd": """
uint8 mode
float32 q
float32 dq
float32 tau
float32 kp
float32 kd
uint32[3] reserve
""",
    "LowState": """
uint8[2] head
uint8 level_flag
uint8 frame_reserve
uint32[2] sn
uint32[2] version
uint16 bandwidth
unitree_go/IMUState imu_state
unitree_go/MotorState[20] motor_state
unitree_go/BmsState bms_state
int16[4] foot_force
int16[4] foot_force_est
uint32 tick
uint8[40] wireless_remote
uint8 bit_flag
float32 adc_reel
int8 temperature_ntc1
int8 temperature_ntc2
float32 power_v
float32 power_a
uint16[4] fan_frequency
uint32 reserve
uint32 crc
""",
    "LowCmd": """
uint8[2] head
uint8 level_flag
uint8 frame_reserve
uint32[2] sn
uint32[2] version
uint16 bandwidth
unitree_go/MotorCmd[20] motor_cmd
unitree_go/BmsCmd bms_cmd
uint8[40] wireless_remote
uint8[12] led
uint8[2] fan
uint8 gpio
uint32 reserve
uint32 crc
""",
}

_HG = {
    "IMUState": _IMU + "int16 temperature",
    "MotorState": """
uint8 mode
float32 q
float32 dq
float32 ddq
float32 tau_est
int16[2] temperature
float32 vol
uint32[2] sensor
uint32 motorstate
uint32[4] reserve
""",
    "MotorCmd": """
uint8 mode
float32 q
float32 dq
float32 tau
float32 kp
float32 kd
uint32 reserve
""",
    "LowState": """
uint32[2] version
uint8 mode_pr
uint8 mode_machine
uint32 tick
unitree_hg/IMUState imu_state
unitree_hg/MotorState[35] motor_state
uint8[40] wireless_remote
uint32[4] reserve
uint32 crc
""",
    "LowCmd": """
uint8 mode_pr
uint8 mode_machine
unitree_hg/MotorCmd[35] motor_cmd
uint32[4] reserve
uint32 crc
""",
}

_VICON = """
std_msgs/Header header
float32 x_trans
float32 y_trans
float32 z_trans
float32 x_rot
float32 y_rot
float32 z_rot
float32 w
string segment_name
string subject_name
uint32 frame_number
string translation_type
"""

DEFINITIONS: dict[str, str] = {
    **{f"unitree_go/msg/{name}": text for name, text in _GO.items()},
    **{f"unitree_hg/msg/{name}": text for name, text in _HG.items()},
    "vicon_receiver/msg/Position": _VICON,
}
"""Text of each definition by type."""
